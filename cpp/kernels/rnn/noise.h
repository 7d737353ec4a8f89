// Steps of noisy cells, whose pointwise part is in pieces: zoneout, which keeps units of the state,
// and dropout of the candidate.
//
// A cell has `activate`, from sums to gates; `memory`, from gates to the new state k of the carry;
// where the carry is not h, `output`, from k to h; and `memory_backward`, `output_backward`.
#pragma once

#include "kernels/core/activations.h"
#include "kernels/rnn/layer_pass.h"

namespace rnnfast {

// keep * before + (1 - keep) * now, which is exact for 0 and 1.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> keeping(const Vec<Scalar>& keep, const Vec<Scalar>& before,
                                   const Vec<Scalar>& now) {
  return madd(keep, before, mul(sub(broadcast(Scalar(1)), keep), now));
}

// From the sums `v`, which become the gates, to h and the carry.
template <class Scalar, class Cell, class V, int N>
RNNFAST_INLINE V noisy_forward(V (&v)[N], const V& previous, const Noise<Scalar>& noise, V& carry) {
  Cell::template activate<Scalar>(v);
  const V k = Cell::template memory<Scalar>(v, previous, noise, carry);
  if constexpr (Cell::descriptor.has_memory())
    return Cell::template output<Scalar>(v[Cell::output_gate], k, noise);
  else
    return k;
}

// From the gates `v`, which become the gradients of the sums, and dh to dcarry and to what of dh
// reaches h<t-1> past the products and the carry.
template <class Scalar, class Cell, class V, int N>
RNNFAST_INLINE void noisy_backward(V (&v)[N], const V& dh, V& dcarry, const V& previous,
                                   const Noise<Scalar>& noise, V& dkept) {
  V dk = dh;
  if constexpr (Cell::descriptor.has_memory()) {
    V carry;
    const V k = Cell::template memory<Scalar>(v, previous, noise, carry);
    dk = Cell::template output_backward<Scalar>(v[Cell::output_gate], k, dh, noise, dkept);
  }
  Cell::template memory_backward<Scalar>(v, dk, dcarry, previous, noise);
}

}  // namespace rnnfast
