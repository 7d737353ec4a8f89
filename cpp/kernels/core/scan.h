// What is found of many numbers at once: whether all are finite, and how large they are.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast {

// A sum of x * 0, which is NaN from the first x that is not finite, and with Greatest the largest
// |x|, of rows given one after the other; in several chains side by side.
template <class Scalar, bool Greatest>
class Scan {
 public:
  Scan() {
    for (int k = 0; k < kChains; ++k) sum_[k] = greatest_[k] = zeros<Scalar>();
  }

  RNNFAST_INLINE void row(const Scalar* x, std::int64_t columns) {
    constexpr std::int64_t V = lanes<Scalar>;
    std::int64_t c = 0;
    for (; c + kChains * V <= columns; c += kChains * V)
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) take(k, load(x + c + k * V));
    for (; c < columns; c += V) take(0, load_first(x + c, columns - c));
  }

  // The largest |x|, or 0 without Greatest; NaN if one was NaN or infinite.
  double result() const {
    Vec<Scalar> sum = sum_[0], greatest = greatest_[0];
    for (int k = 1; k < kChains; ++k) {
      sum = add(sum, sum_[k]);
      greatest = keep_nan_max(greatest_[k], greatest);
    }
    return static_cast<double>(horizontal_max(greatest)) + horizontal_sum(sum);
  }

 private:
  static constexpr int kChains = 4;

  RNNFAST_INLINE void take(int k, const Vec<Scalar>& value) {
    sum_[k] = madd(value, zeros<Scalar>(), sum_[k]);
    if (Greatest) greatest_[k] = keep_nan_max(absolute(value), greatest_[k]);
  }

  Vec<Scalar> sum_[kChains], greatest_[kChains];
};

}  // namespace rnnfast
