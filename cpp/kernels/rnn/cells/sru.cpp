// SRU (Lei et al. 2018, section 3), in gates f, r, n, s:
//
//   f = sigmoid(W_if x + b_if + v_f c')
//   r = sigmoid(W_ir x + b_ir + v_r c')
//   n = W_in x
//   s = alpha x, or W_is x where x is not as wide as h
//   c = f c' + (1 - f) n = n + f (c' - n)
//   h = r c + (1 - r) s = s + r (c - s)
//
// with c' = c<t-1>, which is the carry. Slots: f, r, n, s; after backpropagation the gradients of
// the pre-activations, and of s.
#include "kernels/core/activations.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

struct Sru {
  static constexpr CellDescriptor descriptor = CellDescriptor("sru", "frns")
                                                   .with_input("frns")
                                                   .with_biases("fr")
                                                   .with_highway()
                                                   .with_carry(Carry::memory)
                                                   .with_unit_weights("weight_c", "fr")
                                                   .with_keep_gate('f');

  // weights: v_f, v_r of these units.
  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[4], const V& previous, V& carry, V& h,
                                     const Scalar* weights) {
    const V n = v[2], s = v[3];
    v[0] = sigmoid<Scalar>(madd(load(weights), previous, v[0]));
    v[1] = sigmoid<Scalar>(madd(load(weights + lanes<Scalar>), previous, v[1]));
    carry = madd(v[0], sub(previous, n), n);
    h = madd(v[1], sub(carry, s), s);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[4], const V& dh, V& dcarry, const V& previous,
                                      const V& carry, const Scalar* weights) {
    const V f = v[0], r = v[1], n = v[2], s = v[3];
    const V through = mul(dh, r), dc = add(dcarry, through), kept = mul(dc, f);
    v[0] = mul(mul(dc, sub(previous, n)), d_sigmoid(f));
    v[1] = mul(mul(dh, sub(carry, s)), d_sigmoid(r));
    v[2] = sub(dc, kept);
    v[3] = sub(dh, through);
    dcarry = madd(load(weights), v[0], madd(load(weights + lanes<Scalar>), v[1], kept));
  }
};

RNNFAST_REGISTER(sru, Sru)

}  // namespace rnnfast
