// RNN: h<t> = g(W_ih x<t> + b_ih + W_hh h<t-1> + b_hh), g = tanh or max(0, .).
//
// Slot: the pre-activation; then h<t>; after backpropagation its gradient.
#pragma once

#include "kernels/activations.h"

namespace rnnfast {

template <class Scalar, bool Relu>
struct RnnCell {
  using V = Vec<Scalar>;
  static constexpr int slots = 1, x_count = 1, h_first = 0, h_count = 1;
  static constexpr bool carries = false, carry_is_output = false, second_product = false;
  static constexpr bool may_project = false;

  static RNNFAST_INLINE void forward(V (&v)[slots], const V&, V&, V& h, const Scalar*) {
    if constexpr (Relu)
      v[0] = keep_nan_max(v[0], zeros<Scalar>());
    else
      v[0] = tanh<Scalar>(v[0]);
    h = v[0];
  }

  static RNNFAST_INLINE void backward(V (&v)[slots], const V& dh, V&, const V&, const V&,
                                      const Scalar*) {
    if constexpr (Relu)
      v[0] = Eigen::internal::pand(dh, Eigen::internal::pcmp_lt(zeros<Scalar>(), v[0]));
    else
      v[0] = mul(dh, d_tanh(v[0]));
  }
};

}  // namespace rnnfast
