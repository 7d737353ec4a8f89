// RNN: h<t> = g(W_ih x<t> + b_ih + W_hh h<t-1> + b_hh), g = tanh or max(0, .).
//
// Slot: the pre-activation; then h<t>; after backpropagation its gradient.
#pragma once

#include "kernels/abi/cell.h"
#include "kernels/core/activations.h"

namespace rnnfast {

template <Nonlinearity g>
struct Rnn {
  static constexpr CellDescriptor descriptor =
      CellDescriptor(g == Nonlinearity::relu ? "rnn_relu" : "rnn_tanh", "h")
          .with_input("h")
          .with_recurrent("h");

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[1], const V&, V&, V& h, const Scalar*) {
    h = v[0] = activate<Scalar, g>(v[0]);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[1], const V& dh, V&, const V&, const V&,
                                      const Scalar*) {
    v[0] = activate_backward<Scalar, g>(dh, v[0]);
  }
};

}  // namespace rnnfast
