// Functions of numbers by themselves, and of all steps of a sequence.
#pragma once

#include <cmath>

#include "library/network.h"
#include "time_pooling.h"

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
  const std::int64_t W = all ? 3 * F : F;
  Block<Scalar> v(product_of({B, W}));
  Pooled<Scalar> to = {};
  to.stride = W;
  if (all || part.how == Pool::last) to.last = v.data();
  if (all || part.how == Pool::mean) to.mean = v.data() + (all ? F : 0);
  if (all || part.how == Pool::max) to.most = v.data() + (all ? 2 * F : 0);
  rnnfast::pool({T, B, F, F / part.directions, nullptr}, x, B * F, F, to);
  return v;
}

}  // namespace rnnfast::library
