// Rows of numbers, in vectors: sums, products and multiples.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast {

// The sum of x[i] y[i].
template <class Scalar>
Scalar row_dot(std::int64_t n, const Scalar* x, const Scalar* y) {
  constexpr int V = lanes<Scalar>;
  auto sum = zeros<Scalar>();
  for (std::int64_t i = 0; i < n; i += V)
    sum = madd(load_first(x + i, n - i), load_first(y + i, n - i), sum);
  return horizontal_sum(sum);
}

template <class Scalar>
Scalar row_sum(std::int64_t n, const Scalar* x) {
  constexpr int V = lanes<Scalar>;
  auto sum = zeros<Scalar>();
  for (std::int64_t i = 0; i < n; i += V) sum = add(sum, load_first(x + i, n - i));
  return horizontal_sum(sum);
}

// to = factor x
template <class Scalar>
void row_scale(std::int64_t n, Scalar factor, const Scalar* x, Scalar* to) {
  constexpr int V = lanes<Scalar>;
  const auto f = broadcast(factor);
  for (std::int64_t i = 0; i < n; i += V)
    store_first(to + i, mul(f, load_first(x + i, n - i)), n - i);
}

// to += factor x
template <class Scalar>
void row_add(std::int64_t n, Scalar factor, const Scalar* x, Scalar* to) {
  constexpr int V = lanes<Scalar>;
  const auto f = broadcast(factor);
  for (std::int64_t i = 0; i < n; i += V)
    store_first(to + i, madd(f, load_first(x + i, n - i), load_first<Scalar>(to + i, n - i)),
                n - i);
}

}  // namespace rnnfast
