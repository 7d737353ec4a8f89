// IndRNN (Li et al. 2018): h<t> = g(W_ih x<t> + b_ih + u h<t-1>), g = tanh or
// max(0, .), u one weight a unit. The carry is h.
//
// Slot: the pre-activation, without u h<t-1> at first; then h<t>; after
// backpropagation its gradient.
#include "kernels/core/activations.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

template <Nonlinearity g>
struct IndRnn {
  static constexpr CellDescriptor descriptor =
      CellDescriptor(g == Nonlinearity::relu ? "ind_rnn_relu" : "ind_rnn_tanh", "h")
          .with_input("h")
          .with_carry(Carry::output)
          .with_unit_weights("weight_hh", "h");

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[1], const V& previous, V& carry, V& h,
                                     const Scalar* u) {
    h = carry = v[0] = activate<Scalar, g>(madd(load(u), previous, v[0]));
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[1], const V& dy, V& dcarry, const V&, const V&,
                                      const Scalar* u) {
    v[0] = activate_backward<Scalar, g>(add(dy, dcarry), v[0]);
    dcarry = mul(load(u), v[0]);
  }
};

RNNFAST_REGISTER(ind_rnn_tanh, IndRnn<Nonlinearity::tanh>)
RNNFAST_REGISTER(ind_rnn_relu, IndRnn<Nonlinearity::relu>)

}  // namespace rnnfast
