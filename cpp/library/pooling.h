// Functions of numbers by themselves, and of all steps of a sequence.
#pragma once

#include <cmath>

#include "library/network.h"

namespace rnnfast::library {

template <class Scalar>
void activate(const Tables<Scalar>& table, Function function, std::int64_t n, const Scalar* x,
              Scalar* y) {
  if (function == Function::relu) {
    for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : Scalar(0);
    return;
  }
  table.elements->activation(function == Function::tanh ? Activation::tanh : Activation::sigmoid, n,
                             x, y);
}

// One vector (B, W) of x (T, B, F): of each sequence the last step's outputs, of a reverse
// direction the first's; the mean; the largest of each; or these three side by side.
template <class Scalar>
Block<Scalar> pool(const PoolingPart& part, std::int64_t T, std::int64_t B, std::int64_t F,
                   const Scalar* x) {
  const bool all = part.how == Pool::concat;
  const std::int64_t W = all ? 3 * F : F, first_way = F / part.directions;
  Block<Scalar> v(product_of({B, W}));
  if (T == 0) return v;
  const Scalar share = Scalar(1) / static_cast<Scalar>(T);
  for (std::int64_t b = 0; b < B; ++b) {
    Scalar* to = v.data() + b * W;
    const auto at = [&](std::int64_t t, std::int64_t f) { return x[(t * B + b) * F + f]; };
    if (all || part.how == Pool::last) {
      for (std::int64_t f = 0; f < F; ++f) to[f] = at(f < first_way ? T - 1 : 0, f);
      to += F;
    }
    if (all || part.how == Pool::mean) {
      for (std::int64_t t = 0; t < T; ++t)
        for (std::int64_t f = 0; f < F; ++f) to[f] += at(t, f) * share;
      to += F;
    }
    if (all || part.how == Pool::max)
      for (std::int64_t f = 0; f < F; ++f) {
        to[f] = at(0, f);
        for (std::int64_t t = 1; t < T; ++t) to[f] = std::max(to[f], at(t, f));
      }
  }
  return v;
}

}  // namespace rnnfast::library
