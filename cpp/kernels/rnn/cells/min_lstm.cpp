// The minimal LSTM (Feng et al. 2024, section 3.2), in gates f, i, g:
//
//   f = sigmoid(a), a = W_if x + b_if
//   i = sigmoid(b), b = W_ii x + b_ii
//   g = W_ig x + b_ig
//   h = f / (f + i) h' + i / (f + i) g
//
// with h' = h<t-1>, which is the carry. Slots: a, b, g; after backpropagation the gradients of the
// pre-activations.
#include <limits>

#include "kernels/core/activations.h"
#include "kernels/rnn/register_cell.h"

namespace rnnfast {

struct MinLstm {
  static constexpr CellDescriptor descriptor = CellDescriptor("min_lstm", "fig")
                                                   .with_input("fig")
                                                   .with_carry(Carry::output)
                                                   .with_keep_gate('f')
                                                   .with_raw("fi");

  // f / (f + i) and i / (f + i), for gates that may be closed as far as they like:
  // f / (f + i) = (1 + exp(-b)) / (2 + exp(-a) + exp(-b)), all multiplied by exp(min(a, b, 0)).
  template <class V>
  struct Shares {
    V keep, take;
  };
  template <class Scalar, class V>
  static RNNFAST_INLINE Shares<V> shares(const V& a_given, const V& b_given) {
    const V lowest = broadcast<Scalar>(std::numeric_limits<Scalar>::lowest());
    const V a = keep_nan_max(a_given, lowest), b = keep_nan_max(b_given, lowest);
    const V most = keep_nan_min(keep_nan_min(a, b), zeros<Scalar>());
    const V whole = exp_nonpositive<Scalar>(most);
    const V open_i = add(whole, exp_nonpositive<Scalar>(sub(most, b)));
    const V open_f = add(whole, exp_nonpositive<Scalar>(sub(most, a)));
    const V sum = add(open_i, open_f);
    return {detail::quotient(open_i, sum), detail::quotient(open_f, sum)};
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[3], const V& previous, V& carry, V& h, const Scalar*) {
    const auto share = shares<Scalar>(v[0], v[1]);
    h = carry = madd(share.keep, previous, mul(share.take, v[2]));
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[3], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const auto share = shares<Scalar>(v[0], v[1]);
    const V dh = add(dy, dcarry);
    // keep = sigmoid(log f - log i), whose derivatives by a and b have the factors 1 - f, i - 1
    const V d_ratio = mul(mul(dh, sub(previous, v[2])), mul(share.keep, share.take));
    v[0] = mul(d_ratio, sigmoid<Scalar>(sub(zeros<Scalar>(), v[0])));
    v[1] = mul(sub(zeros<Scalar>(), d_ratio), sigmoid<Scalar>(sub(zeros<Scalar>(), v[1])));
    v[2] = mul(dh, share.take);
    dcarry = mul(dh, share.keep);
  }
};

RNNFAST_REGISTER(min_lstm, MinLstm)

}  // namespace rnnfast
