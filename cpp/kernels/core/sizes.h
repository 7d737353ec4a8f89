// Products of sizes that may be more than a number holds.
#pragma once

#include <cstdint>

namespace rnnfast {

// The product of sizes; -1, of which no memory is to be had, if one is negative or int64 does not
// hold it.
template <class... Sizes>
constexpr std::int64_t product_of(Sizes... sizes) {
  std::int64_t product = 1;
  const bool fits = ((sizes >= 0 && !__builtin_mul_overflow(
                                        product, static_cast<std::int64_t>(sizes), &product)) &&
                     ...);
  return fits ? product : -1;
}

// Their sum, alike.
template <int N>
constexpr std::int64_t sum_of(const std::int64_t (&sizes)[N]) {
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes)
    if (size < 0 || __builtin_add_overflow(sum, size, &sum)) return -1;
  return sum;
}

}  // namespace rnnfast
