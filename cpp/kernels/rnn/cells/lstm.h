// LSTM, in PyTorch's gates i, f, g, o (the course's update, forget, candidate, output):
//
//   i = sigmoid(W_ii x + b_ii + W_hi h' + b_hi [+ p_i c'])
//   f = sigmoid(W_if x + b_if + W_hf h' + b_hf [+ p_f c'])
//   g = tanh   (W_ig x + b_ig + W_hg h' + b_hg)
//   c = f c' + i g
//   o = sigmoid(W_io x + b_io + W_ho h' + b_ho [+ p_o c, or p_o c'])
//   h = o tanh(c)
//
// with h' = h<t-1>, c' = c<t-1>. The carry is c; `dcarry` comes in as dc<t> and leaves as dc<t-1>.
// Slots: i, f, g, o; after backpropagation the gradients of their pre-activations.
#pragma once

#include "kernels/abi/cell.h"
#include "kernels/core/activations.h"

namespace rnnfast {

enum class Peephole { none, current, previous };  // which c the output gate sees

template <Peephole peephole>
struct Lstm {
  static constexpr const char* names[3] = {"lstm", "lstm_peephole", "lstm_peephole_previous"};
  static constexpr CellDescriptor descriptor =
      CellDescriptor(names[static_cast<int>(peephole)], "ifgo")
          .with_input("ifgo")
          .with_recurrent("ifgo")
          .with_carry(Carry::memory)
          .with_projection()
          .with_unit_weights("weight_peephole", peephole == Peephole::none ? "" : "ifo",
                             peephole == Peephole::current ? "o" : "")
          .with_keep_gate('f');

  // p: p_i, p_f, p_o of these units.
  template <class Scalar, class V>
  static RNNFAST_INLINE V peep(const Scalar* p, int gate, const V& c, const V& v) {
    return madd(load(p + gate * lanes<Scalar>), c, v);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[4], const V& previous, V& carry, V& h,
                                     const Scalar* p) {
    if constexpr (peephole != Peephole::none) {
      v[0] = peep(p, 0, previous, v[0]);
      v[1] = peep(p, 1, previous, v[1]);
    }
    v[0] = sigmoid<Scalar>(v[0]);
    v[1] = sigmoid<Scalar>(v[1]);
    v[2] = tanh<Scalar>(v[2]);
    carry = madd(v[1], previous, mul(v[0], v[2]));
    if constexpr (peephole == Peephole::current) v[3] = peep(p, 2, carry, v[3]);
    if constexpr (peephole == Peephole::previous) v[3] = peep(p, 2, previous, v[3]);
    v[3] = sigmoid<Scalar>(v[3]);
    h = mul(v[3], tanh<Scalar>(carry));
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[4], const V& dh, V& dcarry, const V& previous,
                                      const V& carry, const Scalar* p) {
    const V i = v[0], f = v[1], g = v[2], o = v[3];
    const V y = tanh<Scalar>(carry);
    v[3] = mul(mul(dh, y), d_sigmoid(o));
    V dc = madd(mul(dh, o), d_tanh(y), dcarry);
    if constexpr (peephole == Peephole::current) dc = peep(p, 2, v[3], dc);
    v[0] = mul(mul(dc, g), d_sigmoid(i));
    v[1] = mul(mul(dc, previous), d_sigmoid(f));
    v[2] = mul(mul(dc, i), d_tanh(g));
    dcarry = mul(dc, f);
    if constexpr (peephole != Peephole::none) {
      dcarry = peep(p, 0, v[0], dcarry);
      dcarry = peep(p, 1, v[1], dcarry);
    }
    if constexpr (peephole == Peephole::previous) dcarry = peep(p, 2, v[3], dcarry);
  }
};

}  // namespace rnnfast
