// GRU with zoneout and dropout of the candidate, in the gates and slots of PyTorch's in gru.h;
// normalised or not:
//
//   r = sigmoid(x_r + h_r),  z = sigmoid(x_z + h_z),  n = tanh(x_n + r h_n)
//   h = keep h' + (1 - keep) ((1 - z) drop n + z h')
//
// with x_ = W_i x + b_i and h_ = W_h h' + b_h, or LN(W_i x) gain_i + b_i and LN(W_h h') gain_h +
// b_h, r and z together and n by itself. The carry is h. The sums are x_n, x_r + h_r, x_z + h_z and
// h_n; then n, r, z and h_n; after backpropagation the gradients of the sums.
#include "kernels/rnn/noise.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

template <bool normalised>
struct ZoneoutGru {
  static constexpr CellDescriptor describe() {
    auto cell = CellDescriptor(normalised ? "layer_norm_gru" : "zoneout_gru", "rzn")
                    .with_input("nrz")
                    .with_recurrent("rzn", 1)
                    .with_carry(Carry::output)
                    .with_keep_gate('z')
                    .with_noise();
    return normalised ? cell.with_norms(1, 2, 2, 1) : cell;
  }
  static constexpr CellDescriptor descriptor = describe();

  template <class Scalar, class V>
  static RNNFAST_INLINE void activate(V (&a)[4]) {
    a[1] = sigmoid<Scalar>(a[1]);
    a[2] = sigmoid<Scalar>(a[2]);
    a[0] = tanh<Scalar>(madd(a[1], a[3], a[0]));
  }
  // h, which is the carry too.
  template <class Scalar, class V>
  static RNNFAST_INLINE V memory(const V (&a)[4], const V& previous, const Noise<Scalar>& noise,
                                 V& carry) {
    const V z = a[2];
    const V now = madd(sub(broadcast(Scalar(1)), z), mul(a[0], noise.drop), mul(z, previous));
    return carry = keeping<Scalar>(noise.keep_h, previous, now);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void memory_backward(V (&a)[4], const V& dy, V& dcarry, const V& previous,
                                             const Noise<Scalar>& noise) {
    // h = keep h' + (1 - keep) ((1 - z) drop n + z h')
    const V one = broadcast(Scalar(1)), n = a[0], r = a[1], z = a[2], h_n = a[3];
    const V dh = add(dy, dcarry), d = mul(sub(one, noise.keep_h), dh);
    dcarry = madd(noise.keep_h, dh, mul(d, z));
    a[0] = mul(mul(mul(d, sub(one, z)), noise.drop), d_tanh(n));
    a[1] = mul(mul(a[0], h_n), d_sigmoid(r));
    a[2] = mul(mul(d, sub(previous, mul(n, noise.drop))), d_sigmoid(z));
    a[3] = mul(a[0], r);
  }
};

RNNFAST_REGISTER(zoneout_gru, ZoneoutGru<false>)
RNNFAST_REGISTER(layer_norm_gru, ZoneoutGru<true>)

}  // namespace rnnfast
