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

#include "kernels/abi/cell.h"
#include "kernels/core/activations.h"

namespace rnnfast {

namespace detail {

// h = n + z (h' - n), and back: dn_pre, dz_pre, and z dh into dcarry.
template <class V>
RNNFAST_INLINE V mix(const V& n, const V& z, const V& previous) {
  return madd(z, sub(previous, n), n);
}
template <class V>
struct MixGradients {
  V dn_pre, dz_pre;
};
template <class V>
RNNFAST_INLINE MixGradients<V> mix_backward(const V& n, const V& z, const V& previous, const V& dh,
                                            V& dcarry) {
  const V kept = mul(dh, z);
  const V dn_pre = mul(sub(dh, kept), d_tanh(n));
  const V dz_pre = mul(mul(dh, sub(previous, n)), d_sigmoid(z));
  dcarry = kept;
  return {dn_pre, dz_pre};
}

}  // namespace detail

// PyTorch's. Slots: n's input part, r, z, n's recurrent part; then n, r, z, n's recurrent part;
// after backpropagation the gradients of the four.
struct Gru {
  static constexpr CellDescriptor descriptor = CellDescriptor("gru", "rzn")
                                                   .with_input("nrz")
                                                   .with_recurrent("rzn", 1)
                                                   .with_carry(Carry::output)
                                                   .with_keep_gate('z');

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[4], const V& previous, V& carry, V& h, const Scalar*) {
    v[1] = sigmoid<Scalar>(v[1]);
    v[2] = sigmoid<Scalar>(v[2]);
    v[0] = tanh<Scalar>(madd(v[1], v[3], v[0]));
    h = carry = detail::mix(v[0], v[2], previous);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[4], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::mix_backward(v[0], v[2], previous, dh, dcarry);
    const V r = v[1];
    v[0] = d.dn_pre;
    v[1] = mul(mul(d.dn_pre, v[3]), d_sigmoid(r));
    v[2] = d.dz_pre;
    v[3] = mul(d.dn_pre, r);
  }
};

// The course notes' simplified GRU. Slots: n, z.
struct GruSimple {
  static constexpr CellDescriptor descriptor = CellDescriptor("gru_simple", "zn")
                                                   .with_input("nz")
                                                   .with_recurrent("nz")
                                                   .with_carry(Carry::output)
                                                   .with_keep_gate('z');

  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[2], const V& previous, V& carry, V& h, const Scalar*) {
    v[0] = tanh<Scalar>(v[0]);
    v[1] = sigmoid<Scalar>(v[1]);
    h = carry = detail::mix(v[0], v[1], previous);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[2], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::mix_backward(v[0], v[1], previous, dh, dcarry);
    v[0] = d.dn_pre;
    v[1] = d.dz_pre;
  }
};

// Cho et al. 2014, version 3; the course notes' full GRU. Slots: n, r, z. A step has two halves,
// because n's product waits for r of every unit.
struct GruResetBefore {
  static constexpr CellDescriptor descriptor = CellDescriptor("gru_reset_before", "rzn")
                                                   .with_input("nrz")
                                                   .with_recurrent("rz", 1)
                                                   .with_second_product('n')
                                                   .with_carry(Carry::output)
                                                   .with_keep_gate('z');

  // First half: the gates, and r h', which enters the second product.
  template <class Scalar, class V>
  static RNNFAST_INLINE V gates(V (&v)[3], const V& previous) {
    v[1] = sigmoid<Scalar>(v[1]);
    v[2] = sigmoid<Scalar>(v[2]);
    return mul(v[1], previous);
  }
  // Second half, with n's pre-activation complete in v[0].
  template <class Scalar, class V>
  static RNNFAST_INLINE void forward(V (&v)[3], const V& previous, V& carry, V& h, const Scalar*) {
    v[0] = tanh<Scalar>(v[0]);
    h = carry = detail::mix(v[0], v[2], previous);
  }

  template <class Scalar, class V>
  static RNNFAST_INLINE void backward(V (&v)[3], const V& dy, V& dcarry, const V& previous,
                                      const V&, const Scalar*) {
    const V dh = add(dy, dcarry);
    const auto d = detail::mix_backward(v[0], v[2], previous, dh, dcarry);
    v[0] = d.dn_pre;
    v[2] = d.dz_pre;
  }
  // Undoes `gates`, given the gradient of r h'.
  template <class V>
  static RNNFAST_INLINE void gates_backward(V& r, const V& d_product, V& dcarry,
                                            const V& previous) {
    dcarry = madd(d_product, r, dcarry);
    r = mul(mul(d_product, previous), d_sigmoid(r));
  }
};

}  // namespace rnnfast
