// Rows times a single column, as of a linear layer with one output: each lane sums its share of a
// row, then the lanes are summed. A chain over all of the row, as in multiply.h, would be as many
// times longer as there are lanes, and leave all of them but one idle.
#pragma once

#include "kernels/core/simd.h"
#include "kernels/core/sizes.h"

namespace rnnfast {

// Shorter rows, which do not fill a vector, are left to multiply.h.
template <class Scalar>
constexpr bool is_column(std::int64_t K, std::int64_t N) {
  return N == 1 && K >= lanes<Scalar>;
}

// Of rows of K numbers. A row's last vector ends with the row, and leaves out what others had.
template <class Scalar>
class ColumnRows {
  static constexpr int V = lanes<Scalar>;

 public:
  explicit ColumnRows(std::int64_t K)
      : whole_(K / V), last_(K - V), rest_(K % V), seen_(first_lanes<Scalar>(V - rest_)) {}

  // to[r] = x[r] w + b of R rows.
  template <int R>
  RNNFAST_INLINE void multiply(const Scalar* x, std::int64_t stride, const Scalar* weight,
                               Scalar bias, Scalar* to, std::int64_t to_stride) const {
    Vec<Scalar> sum[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] = zeros<Scalar>();
    for (std::int64_t k = 0; k < whole_; ++k) {
      const Vec<Scalar> w = load(weight + k * V);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r] = madd(load(x + r * stride + k * V), w, sum[r]);
    }
    if (rest_ > 0) {
      const Vec<Scalar> w = load(weight + last_);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        sum[r] = madd(bits_without(load(x + r * stride + last_), seen_), w, sum[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) to[r * to_stride] = horizontal_sum(sum[r]) + bias;
  }

 private:
  std::int64_t whole_, last_, rest_;
  Vec<Scalar> seen_;
};

}  // namespace rnnfast
