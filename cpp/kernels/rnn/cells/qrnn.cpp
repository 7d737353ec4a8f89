// QRNN (Bradbury et al. 2017, section 2) with filters of width 1, in gates n, f, o, i, of which a
// pooling has the first two, three or four:
//
//   n = tanh(W_in x + b_in),  f = sigmoid(W_if x + b_if),  o and i likewise
//   c = f c' + (1 - f) n = n + f (c' - n)      f- and fo-pooling
//   c = f c' + i n                             ifo-pooling
//   h = c                                      f-pooling
//   h = o c                                    fo- and ifo-pooling
//
// with c' = c<t-1>, which is the carry. Slots: the gates in that order; after backpropagation the
// gradients of their pre-activations.
#include "kernels/core/activations.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

template <int count>
struct Qrnn {
  static constexpr bool has_output_gate = count > 2, has_input_gate = count > 3;
  static constexpr const char* name = has_input_gate    ? "qrnn_ifo"
                                      : has_output_gate ? "qrnn_fo"
                                                        : "qrnn_f";
  static constexpr const char* gates = has_input_gate ? "nfoi" : has_output_gate ? "nfo" : "nf";
  static constexpr CellDescriptor descriptor =
      CellDescriptor(name, gates).with_input(gates).with_carry(Carry::memory).with_keep_gate('f');

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[count], const V& previous, V& carry, V& h,
                                     const Scalar*) {
    v[0] = tanh<Scalar>(v[0]);
    for (int gate = 1; gate < count; ++gate) v[gate] = sigmoid<Scalar>(v[gate]);
    if constexpr (has_input_gate)
      carry = madd(v[1], previous, mul(v[3], v[0]));
    else
      carry = madd(v[1], sub(previous, v[0]), v[0]);
    h = carry;
    if constexpr (has_output_gate) h = mul(v[2], carry);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[count], const V& dh, V& dcarry, const V& previous,
                                      const V& carry, const Scalar*) {
    const V n = v[0], f = v[1];
    V dc = add(dcarry, dh);
    if constexpr (has_output_gate) {
      dc = madd(dh, v[2], dcarry);
      v[2] = mul(mul(dh, carry), d_sigmoid(v[2]));
    }
    dcarry = mul(dc, f);
    if constexpr (has_input_gate) {
      v[1] = mul(mul(dc, previous), d_sigmoid(f));
      v[0] = mul(mul(dc, v[3]), d_tanh(n));
      v[3] = mul(mul(dc, n), d_sigmoid(v[3]));
    } else {
      v[1] = mul(mul(dc, sub(previous, n)), d_sigmoid(f));
      v[0] = mul(sub(dc, dcarry), d_tanh(n));
    }
  }
};

RNNFAST_REGISTER(qrnn_f, Qrnn<2>)
RNNFAST_REGISTER(qrnn_fo, Qrnn<3>)
RNNFAST_REGISTER(qrnn_ifo, Qrnn<4>)

}  // namespace rnnfast
