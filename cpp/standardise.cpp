#include "standardise.h"

#include <algorithm>

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
void Standard::apply(const From* x, std::int64_t steps, To* to) const {
  const double *mean = mean_.data(), *scale = scale_.data();
  const std::int64_t count = steps * size_;
  const auto together = static_cast<std::int64_t>(mean_.size());
  for (std::int64_t begin = 0; begin < count; begin += together, x += together, to += together) {
    const std::int64_t end = std::min(together, count - begin);
    for (std::int64_t i = 0; i < end; ++i)
      to[i] = static_cast<To>((static_cast<double>(x[i]) - mean[i]) / scale[i]);
  }
}

template void Standard::apply(const float*, std::int64_t, float*) const;
template void Standard::apply(const float*, std::int64_t, double*) const;
template void Standard::apply(const double*, std::int64_t, float*) const;
template void Standard::apply(const double*, std::int64_t, double*) const;

}  // namespace rnnfast
