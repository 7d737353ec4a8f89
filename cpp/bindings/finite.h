// Is every number finite? Fast enough to ask on every call.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace rnnfast {

template <class Scalar>
bool all_finite(const Scalar* values, std::int64_t count) {
  using Bits = std::conditional_t<sizeof(Scalar) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = sizeof(Scalar) == 4 ? Bits(0x7F800000u) : Bits(0x7FF0000000000000ull);
  Bits found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, values + i, sizeof bits);
    found |= static_cast<Bits>((bits & exponent) == exponent);
  }
  return found == 0;
}

}  // namespace rnnfast
