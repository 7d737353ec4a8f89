// The minimal GRU (Feng et al. 2024, section 3.1), in gates z, n; z is the share of what is new:
//
//   z = sigmoid(W_iz x + b_iz)
//   n = W_in x + b_in
//   h = (1 - z) h' + z n
//
// with h' = h<t-1>, which is the carry. Slots: z, n; after backpropagation the gradients of their
// pre-activations.
#include "kernels/core/activations.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

struct MinGru {
  static constexpr CellDescriptor descriptor = CellDescriptor("min_gru", "zn")
                                                   .with_input("zn")
                                                   .with_carry(Carry::output)
                                                   .with_keep_gate('z', -1);

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[2], const V& previous, V& carry, V& h, const Scalar*) {
    v[0] = sigmoid<Scalar>(v[0]);
    h = carry = madd(v[0], v[1], mul(sub(broadcast<Scalar>(1), v[0]), previous));
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[2], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry), z = v[0];
    v[0] = mul(mul(dh, sub(v[1], previous)), d_sigmoid(z));
    v[1] = mul(dh, z);
    dcarry = sub(dh, v[1]);
  }
};

RNNFAST_REGISTER(min_gru, MinGru)

}  // namespace rnnfast
