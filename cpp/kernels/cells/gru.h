// GRU, in PyTorch's gates r, z, n; z keeps the old state (the course's update gate is 1 - z):
//
//   r = sigmoid(W_ir x + b_ir + W_hr h' + b_hr)
//   z = sigmoid(W_iz x + b_iz + W_hz h' + b_hz)
//   n = tanh(W_in x + b_in + r (W_hn h' + b_hn))      reset after the product
//   n = tanh(W_in x + b_in + W_hn (r h') + b_hn)      reset before it
//   n = tanh(W_in x + b_in + W_hn h' + b_hn)          no reset gate (simplified)
//   h = (1 - z) n + z h' = n + z (h' - n)
//
// with h' = h<t-1>, which is also the carry. `dcarry` holds the part of dh<t-1> that does not pass
// through a product.
#pragma once

#include "kernels/activations.h"

namespace rnnfast {

namespace detail {

// h = n + z (h' - n), and back: dn_pre, dz_pre, and z dh into dcarry.
template <class V>
RNNFAST_INLINE V gru_mix(const V& n, const V& z, const V& previous) {
  return madd(z, sub(previous, n), n);
}
template <class V>
struct GruMixGradients {
  V dn_pre, dz_pre;
};
template <class V>
RNNFAST_INLINE GruMixGradients<V> gru_mix_backward(const V& n, const V& z, const V& previous,
                                                   const V& dh, V& dcarry) {
  const V kept = mul(dh, z);
  const V dn_pre = mul(sub(dh, kept), d_tanh(n));
  const V dz_pre = mul(mul(dh, sub(previous, n)), d_sigmoid(z));
  dcarry = kept;
  return {dn_pre, dz_pre};
}

}  // namespace detail

// Slots: n's input part, r, z, n's recurrent part; then n, r, z, n's recurrent part; after
// backpropagation the gradients of the four.
template <class Scalar>
struct GruCell {
  using V = Vec<Scalar>;
  static constexpr int slots = 4, x_count = 3, h_first = 1, h_count = 3;
  static constexpr bool carries = true, carry_is_output = true, second_product = false;
  static constexpr bool may_project = false;

  static RNNFAST_INLINE void forward(V (&v)[slots], const V& previous, V& carry, V& h,
                                     const Scalar*) {
    v[1] = sigmoid<Scalar>(v[1]);
    v[2] = sigmoid<Scalar>(v[2]);
    v[0] = tanh<Scalar>(madd(v[1], v[3], v[0]));
    h = carry = detail::gru_mix(v[0], v[2], previous);
  }

  static RNNFAST_INLINE void backward(V (&v)[slots], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::gru_mix_backward(v[0], v[2], previous, dh, dcarry);
    const V r = v[1];
    v[0] = d.dn_pre;
    v[1] = mul(mul(d.dn_pre, v[3]), d_sigmoid(r));
    v[2] = d.dz_pre;
    v[3] = mul(d.dn_pre, r);
  }
};

// Slots: n, z.
template <class Scalar>
struct GruSimpleCell {
  using V = Vec<Scalar>;
  static constexpr int slots = 2, x_count = 2, h_first = 0, h_count = 2;
  static constexpr bool carries = true, carry_is_output = true, second_product = false;
  static constexpr bool may_project = false;

  static RNNFAST_INLINE void forward(V (&v)[slots], const V& previous, V& carry, V& h,
                                     const Scalar*) {
    v[0] = tanh<Scalar>(v[0]);
    v[1] = sigmoid<Scalar>(v[1]);
    h = carry = detail::gru_mix(v[0], v[1], previous);
  }

  static RNNFAST_INLINE void backward(V (&v)[slots], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::gru_mix_backward(v[0], v[1], previous, dh, dcarry);
    v[0] = d.dn_pre;
    v[1] = d.dz_pre;
  }
};

// Slots: n, r, z. A step has two halves, because n's product waits for r of every unit.
template <class Scalar>
struct GruResetBeforeCell {
  using V = Vec<Scalar>;
  static constexpr int slots = 3, x_count = 3, h_first = 1, h_count = 2;
  static constexpr bool carries = true, carry_is_output = true, second_product = true;
  static constexpr bool may_project = false;

  // First half: the gates, and r h', which enters the second product.
  static RNNFAST_INLINE V gates(V (&v)[slots], const V& previous) {
    v[1] = sigmoid<Scalar>(v[1]);
    v[2] = sigmoid<Scalar>(v[2]);
    return mul(v[1], previous);
  }
  // Second half, with n's pre-activation complete in v[0].
  static RNNFAST_INLINE void forward(V (&v)[slots], const V& previous, V& carry, V& h,
                                     const Scalar*) {
    v[0] = tanh<Scalar>(v[0]);
    h = carry = detail::gru_mix(v[0], v[2], previous);
  }

  static RNNFAST_INLINE void backward(V (&v)[slots], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::gru_mix_backward(v[0], v[2], previous, dh, dcarry);
    v[0] = d.dn_pre;
    v[2] = d.dz_pre;
  }
  // Undoes `gates`, given the gradient of r h'.
  static RNNFAST_INLINE void gates_backward(V& r, const V& d_product, V& dcarry,
                                            const V& previous) {
    dcarry = madd(d_product, r, dcarry);
    r = mul(mul(d_product, previous), d_sigmoid(r));
  }
};

}  // namespace rnnfast
