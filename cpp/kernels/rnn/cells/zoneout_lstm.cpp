// LSTM with zoneout and dropout of the candidate, in the gates and slots of lstm.h; normalised or
// not:
//
//   a = W_i x + b_i + W_h h' + b_h, or
//       LN(W_i x) gain_i + b_i + LN(W_h h') gain_h + b_h over all four gates
//   k = sigmoid(a_f) c' + sigmoid(a_i) drop tanh(a_g)
//   c = keep_c c' + (1 - keep_c) k
//   h = keep_h h' + (1 - keep_h) sigmoid(a_o) tanh(k, or LN(k) gain_c + b_c)
//
// The carry is c. The sums a are i, f, g, o; then the gates; after backpropagation the gradients of
// the sums.
#include "kernels/rnn/noise.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

template <bool normalised>
struct ZoneoutLstm {
  static constexpr CellDescriptor describe() {
    auto cell = CellDescriptor(normalised ? "layer_norm_lstm" : "zoneout_lstm", "ifgo")
                    .with_input("ifgo")
                    .with_recurrent("ifgo")
                    .with_carry(Carry::memory)
                    .with_keep_gate('f')
                    .with_noise();
    return normalised ? cell.with_norms(4, 0, 4, 0).with_memory_norm() : cell;
  }
  static constexpr CellDescriptor descriptor = describe();
  static constexpr int output_gate = 3;

  template <class Scalar, class V>
  static RNNFAST_INLINE void activate(V (&a)[4]) {
    a[0] = sigmoid<Scalar>(a[0]);
    a[1] = sigmoid<Scalar>(a[1]);
    a[2] = tanh<Scalar>(a[2]);
    a[3] = sigmoid<Scalar>(a[3]);
  }
  // k, and c.
  template <class Scalar, class V>
  static RNNFAST_INLINE V memory(const V (&a)[4], const V& previous, const Noise<Scalar>& noise,
                                 V& carry) {
    const V k = madd(a[0], mul(a[2], noise.drop), mul(a[1], previous));
    carry = keeping<Scalar>(noise.keep_c, previous, k);
    return k;
  }
  template <class Scalar, class V>
  static RNNFAST_INLINE V output(const V& o, const V& seen, const Noise<Scalar>& noise) {
    return keeping<Scalar>(noise.keep_h, noise.h_before, mul(o, tanh<Scalar>(seen)));
  }

  // From dh to the gradients of o's sum, in its place, of `seen`, and of h' past the products.
  template <class Scalar, class V>
  static RNNFAST_INLINE V output_backward(V& o, const V& seen, const V& dh,
                                          const Noise<Scalar>& noise, V& dkept) {
    // h = keep h' + (1 - keep) o s
    const V s = tanh<Scalar>(seen);
    const V d = mul(sub(broadcast(Scalar(1)), noise.keep_h), dh);
    const V dseen = mul(mul(d, o), d_tanh(s));
    dkept = mul(noise.keep_h, dh);
    o = mul(mul(d, s), d_sigmoid(o));
    return dseen;
  }
  // From the gradients of k and of c to those of the other sums and of c'.
  template <class Scalar, class V>
  static RNNFAST_INLINE void memory_backward(V (&a)[4], const V& dk, V& dcarry, const V& previous,
                                             const Noise<Scalar>& noise) {
    // c = keep c' + (1 - keep) k,  k = f c' + i drop g
    const V i = a[0], f = a[1], g = a[2];
    const V d = madd(sub(broadcast(Scalar(1)), noise.keep_c), dcarry, dk);
    dcarry = madd(noise.keep_c, dcarry, mul(d, f));
    a[0] = mul(mul(d, mul(g, noise.drop)), d_sigmoid(i));
    a[1] = mul(mul(d, previous), d_sigmoid(f));
    a[2] = mul(mul(d, mul(i, noise.drop)), d_tanh(g));
  }
};

RNNFAST_REGISTER(zoneout_lstm, ZoneoutLstm<false>)
RNNFAST_REGISTER(layer_norm_lstm, ZoneoutLstm<true>)

}  // namespace rnnfast
