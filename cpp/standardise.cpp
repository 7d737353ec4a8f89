#include "standardise.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace rnnfast {

namespace {

constexpr std::int64_t kTogether = 64;

std::vector<double> repeated(const double* values, std::int64_t size, std::int64_t times) {
  std::vector<double> all;
  all.reserve(static_cast<std::size_t>(size * times));
  for (std::int64_t n = 0; n < times; ++n) all.insert(all.end(), values, values + size);
  return all;
}

}  // namespace

Standard::Standard(const double* mean, const double* scale, std::int64_t size) : size_(size) {
  const std::int64_t times = size == 0 ? 0 : (kTogether + size - 1) / size;
  mean_ = repeated(mean, size, times);
  scale_ = repeated(scale, size, times);
}

template <class From, class To>
bool Standard::apply(const From* x, std::int64_t steps, To* to) const {
  using Bits = std::conditional_t<sizeof(To) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = sizeof(To) == 4 ? Bits(0x7F800000u) : Bits(0x7FF0000000000000ull);
  const double *mean = mean_.data(), *scale = scale_.data();
  const std::int64_t count = steps * size_;
  const auto together = static_cast<std::int64_t>(mean_.size());
  Bits found = 0;
  for (std::int64_t begin = 0; begin < count; begin += together, x += together, to += together) {
    const std::int64_t end = std::min(together, count - begin);
    for (std::int64_t i = 0; i < end; ++i)
      to[i] = static_cast<To>((static_cast<double>(x[i]) - mean[i]) / scale[i]);
    for (std::int64_t i = 0; i < end; ++i) {
      Bits bits;
      std::memcpy(&bits, to + i, sizeof bits);
      found |= static_cast<Bits>((bits & exponent) == exponent);
    }
  }
  return found == 0;
}

template bool Standard::apply(const float*, std::int64_t, float*) const;
template bool Standard::apply(const float*, std::int64_t, double*) const;
template bool Standard::apply(const double*, std::int64_t, float*) const;
template bool Standard::apply(const double*, std::int64_t, double*) const;

}  // namespace rnnfast
