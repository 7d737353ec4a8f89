// The functions that a general cell chooses from, each for a vector.
//
// Errors as those of activations.h; of elu and softplus within 5 ulp of their parts.
#pragma once

#include "kernels/abi/gate_functions.h"
#include "kernels/core/activations.h"

namespace rnnfast {

namespace detail {

// x where `below` has no bits, other where it has.
template <class V>
RNNFAST_INLINE V select(const V& below, const V& other, const V& x) {
  return bits_or(bits_and(other, below), bits_without(x, below));
}

// exp(x) - 1 for x <= 0, formed without cancellation near 0.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> expm1_nonpositive(const Vec<Scalar>& x) {
  const Numbers<Scalar, 1> n;
  const auto [scale, r, r2] = reduce(n, keep_nan_max<Vec<Scalar>>(x, n[least]));
  const auto part = madd(exp_q(n, r, r2), r2, r);
  return madd(scale, part, sub(scale, n[one]));
}

// log(1 + e) for e in [0, 1]: 2 artanh(s) with s = e / (2 + e), at most 1/3.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> log1p_of_share(const Vec<Scalar>& e) {
  constexpr int terms = sizeof(Scalar) == sizeof(float) ? 8 : 16;  // the rest is below an ulp
  const auto s = divide(e, add(broadcast<Scalar>(2), e));
  const auto s2 = mul(s, s);
  auto sum = zeros<Scalar>();
  for (int k = terms - 1; k > 0; --k) sum = madd(sum, s2, broadcast(Scalar(1) / Scalar(2 * k + 1)));
  const auto twice = add(s, s);
  return madd(mul(sum, s2), twice, twice);
}

}  // namespace detail

// f(x). A call, not a part of the caller: a cell has several, and each is all of these.
template <class Scalar>
__attribute__((noinline)) Vec<Scalar> gate_function(const GateFunction& f, Vec<Scalar> x) {
  const auto a = broadcast(static_cast<Scalar>(f.alpha)),
             b = broadcast(static_cast<Scalar>(f.beta));
  const auto zero = zeros<Scalar>(), one = broadcast<Scalar>(1);
  switch (f.kind) {
    case GateFunctionKind::sigmoid:
      return sigmoid<Scalar>(x);
    case GateFunctionKind::tanh:
      return tanh<Scalar>(x);
    case GateFunctionKind::relu:
      return keep_nan_max(x, zero);
    case GateFunctionKind::affine:
      return madd(a, x, b);
    case GateFunctionKind::leaky_relu:
      return detail::select(less(x, zero), mul(a, x), x);
    case GateFunctionKind::thresholded_relu:
      return bits_and(x, bits_or(less(a, x), equal(a, x)));
    case GateFunctionKind::scaled_tanh:
      return mul(a, tanh<Scalar>(mul(b, x)));
    case GateFunctionKind::hard_sigmoid:
      return keep_nan_min(keep_nan_max(madd(a, x, b), zero), one);
    case GateFunctionKind::elu:
      return detail::select(less(x, zero),
                            mul(a, detail::expm1_nonpositive<Scalar>(keep_nan_min(x, zero))), x);
    case GateFunctionKind::softsign:
      return divide(x, add(one, absolute(x)));
    case GateFunctionKind::softplus:
      return add(keep_nan_max(x, zero),
                 detail::log1p_of_share<Scalar>(exp_nonpositive<Scalar>(sub(zero, absolute(x)))));
  }
  return x;
}

// Of what goes into a gate, within the bound.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> clipped_gate(const GateFunctions& functions, int which,
                                        const Vec<Scalar>& x) {
  const auto bound = broadcast(static_cast<Scalar>(functions.clip));
  const auto least = sub(zeros<Scalar>(), bound);
  return gate_function<Scalar>(functions.of[which], keep_nan_min(keep_nan_max(x, least), bound));
}

}  // namespace rnnfast
