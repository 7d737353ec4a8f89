// The functions of a gate: exp, sigmoid, tanh.
//
// Errors, measured over all magnitudes against a float64 (float128) reference by the tests:
// sigmoid within 3 ulp, tanh within 4 ulp (relative, also near 0), exp(x <= 0) within 2 ulp, in
// float32; 3 ulp in float64. Saturated arguments give exactly 0, 1 and -1; NaN stays NaN.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast {

namespace detail {

template <class Scalar>
struct ExpConstants;

// q of exp(r) = 1 + r + r^2 q(r) on |r| <= log(2)/2: least relative error of expm1 (Remez).
template <>
struct ExpConstants<float> {
  static constexpr float log2e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693145751953125f;  // 15 bits less: n * ln2_high is exact
  static constexpr float ln2_low = 1.42860682030941723e-6f;
  static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float least = -87.0f;       // exp of less counts as 0 (all but subnormal)
  static constexpr float most = 88.0f;         // exp of more is not finite, or nearly
  static constexpr int count = 5;
  static constexpr float q[count] = {0.500000005867f, 0.166665450098f, 0.0416662889925f,
                                     0.00836640713726f, 0.00139461085778f};
};
template <>
struct ExpConstants<double> {
  static constexpr double log2e = 1.442695040888963407;
  static constexpr double ln2_high = 0.693147180369123816490;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double least = -708.0;
  static constexpr double most = 709.0;
  static constexpr int count = 10;
  static constexpr double q[count] = {0.50000000000000046201,     0.16666666666666684337,
                                      0.041666666666581445625,    0.0083333333333155520571,
                                      0.0013888888930395417534,   0.00019841269901150040714,
                                      0.000024801506399786843371, 2.7557229479494818734e-6,
                                      2.7625668596358070782e-7,   2.5114032453832693529e-8};
};

// 2^n for an n that came from adding ExpConstants::round (`shifted`), n at least -126 and
// less than 128 (of a double -1022 and 1024).
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> power_of_two(const Vec<Scalar>& n, const Vec<Scalar>& shifted);

#if defined(__AVX512F__)
template <>
RNNFAST_INLINE Vec<float> power_of_two<float>(const Vec<float>&, const Vec<float>& shifted) {
  const __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(127 << 23)));
}
template <>
RNNFAST_INLINE Vec<double> power_of_two<double>(const Vec<double>&, const Vec<double>& shifted) {
  const __m512i bits = _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52);
  return _mm512_castsi512_pd(_mm512_add_epi64(bits, _mm512_set1_epi64(1023ll << 52)));
}
#elif defined(__AVX2__)
template <>
RNNFAST_INLINE Vec<float> power_of_two<float>(const Vec<float>&, const Vec<float>& shifted) {
  const __m256i bits = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(127 << 23)));
}
template <>
RNNFAST_INLINE Vec<double> power_of_two<double>(const Vec<double>&, const Vec<double>& shifted) {
  const __m256i bits = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
  return _mm256_castsi256_pd(_mm256_add_epi64(bits, _mm256_set1_epi64x(1023ll << 52)));
}
#elif defined(__SSE2__)
template <>
RNNFAST_INLINE Vec<float> power_of_two<float>(const Vec<float>&, const Vec<float>& shifted) {
  const __m128i bits = _mm_slli_epi32(_mm_castps_si128(shifted), 23);
  return _mm_castsi128_ps(_mm_add_epi32(bits, _mm_set1_epi32(127 << 23)));
}
template <>
RNNFAST_INLINE Vec<double> power_of_two<double>(const Vec<double>&, const Vec<double>& shifted) {
  const __m128i bits = _mm_slli_epi64(_mm_castpd_si128(shifted), 52);
  return _mm_castsi128_pd(_mm_add_epi64(bits, _mm_set1_epi64x(1023ll << 52)));
}
#elif defined(__aarch64__)
template <>
RNNFAST_INLINE Vec<float> power_of_two<float>(const Vec<float>&, const Vec<float>& shifted) {
  const int32x4_t bits = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
  return vreinterpretq_f32_s32(vaddq_s32(bits, vdupq_n_s32(127 << 23)));
}
template <>
RNNFAST_INLINE Vec<double> power_of_two<double>(const Vec<double>&, const Vec<double>& shifted) {
  const int64x2_t bits = vshlq_n_s64(vreinterpretq_s64_f64(shifted), 52);
  return vreinterpretq_f64_s64(vaddq_s64(bits, vdupq_n_s64(1023ll << 52)));
}
#else
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> power_of_two(const Vec<Scalar>& n, const Vec<Scalar>&) {
  return times_power_of_two(broadcast<Scalar>(Scalar(1)), n);
}
#endif

// 1 / den, and num / den, for den >= 1. AVX-512 divides slowly but has a good first guess.
template <class V>
RNNFAST_INLINE V reciprocal(const V& den) {
  return divide(splat<V>(1), den);
}
template <class V>
RNNFAST_INLINE V quotient(const V& num, const V& den) {
  return divide(num, den);
}
#if defined(__AVX512F__)
template <>
RNNFAST_INLINE Vec<float> reciprocal(const Vec<float>& den) {
  const Vec<float> r = _mm512_rcp14_ps(den);
  return madd(nmadd(den, r, broadcast<float>(1)), r, r);
}
template <>
RNNFAST_INLINE Vec<double> reciprocal(const Vec<double>& den) {
  Vec<double> r = _mm512_rcp14_pd(den);
  r = madd(nmadd(den, r, broadcast<double>(1)), r, r);
  return madd(nmadd(den, r, broadcast<double>(1)), r, r);
}
template <>
RNNFAST_INLINE Vec<float> quotient(const Vec<float>& num, const Vec<float>& den) {
  return mul(num, reciprocal(den));
}
template <>
RNNFAST_INLINE Vec<double> quotient(const Vec<double>& num, const Vec<double>& den) {
  const auto r = reciprocal(den), q = mul(num, r);
  return madd(nmadd(den, q, num), r, q);
}
#endif

// What exp(F x) is made of, by the names of rows; q is the first of several.
enum Row : int { log2e, ln2_high, ln2_low, magic, least, most, one, two, sign, q };

template <class Scalar, int F>
constexpr Scalar number(int row) {
  using C = ExpConstants<Scalar>;
  Scalar factor = F * F;
  for (int k = 0; k < row - q; ++k) factor *= F;
  switch (row) {
    case log2e:
      return F * C::log2e;
    case ln2_high:
      return C::ln2_high / -F;
    case ln2_low:
      return C::ln2_low / -F;
    case magic:
      return C::round;
    case least:  // of x: beyond, exp(F x) counts as 0, or is not finite
      return F < 0 ? -C::most : C::least;
    case most:
      return C::least / F;
    case one:
      return 1;
    case two:
      return 2;
    case sign:
      return Scalar(-0.0);
    default:
      return C::q[row - q] * factor;
  }
}

// The numbers as vectors. Where there are few registers they lie in memory, and the compiler does
// not see which they are: it would broadcast them before each loop, those of a few rows too, and
// put them on the stack, from where they come no faster.
template <class Scalar, int F>
class Numbers {
  static constexpr int V = lanes<Scalar>, count = q + ExpConstants<Scalar>::count;
  static constexpr bool in_memory = kRegisters < 32 && V * sizeof(Scalar) > 16 && F < 0;
  struct Table {
    alignas(64) Scalar rows[count][V] = {};
    constexpr Table() {
      for (int row = 0; row < count; ++row)
        for (int lane = 0; lane < V; ++lane) rows[row][lane] = number<Scalar, F>(row);
    }
  };
  static constexpr Table table = Table();

 public:
  RNNFAST_INLINE Numbers() {
    if constexpr (in_memory) asm("" : "+r"(rows_));
  }
  RNNFAST_INLINE Vec<Scalar> operator[](int row) const {
    if constexpr (in_memory) return load(static_cast<const Scalar*>(rows_[row]));
    return broadcast<Scalar>(number<Scalar, F>(row));
  }

 private:
  const Scalar (*rows_)[V] = table.rows;
};

// F^2 q(F r), so that expm1(F r) = F r + r^2 times it. By Estrin's scheme in pairs: short chains,
// so that neighbours overlap.
template <class Scalar, int F>
RNNFAST_INLINE Vec<Scalar> exp_q(const Numbers<Scalar, F>& n, const Vec<Scalar>& r,
                                 const Vec<Scalar>& r2) {
  const auto c = [&](int i) { return n[q + i]; };
  if constexpr (ExpConstants<Scalar>::count == 5) {
    const auto low = madd(c(1), r, c(0));
    const auto high = madd(madd(c(4), r, c(3)), r, c(2));
    return madd(high, r2, low);
  } else {
    const auto r4 = mul(r2, r2);
    const auto p01 = madd(c(1), r, c(0)), p23 = madd(c(3), r, c(2)), p45 = madd(c(5), r, c(4)),
               p67 = madd(c(7), r, c(6)), p89 = madd(c(9), r, c(8));
    const auto low = madd(p23, r2, p01), middle = madd(p67, r2, p45);
    return madd(madd(p89, r4, middle), r4, low);
  }
}

// F x = k log(2) + F r: returns 2^k, r and r^2.
template <class Scalar>
struct Reduced {
  Vec<Scalar> scale, r, r2;
};
template <class Scalar, int F>
RNNFAST_INLINE Reduced<Scalar> reduce(const Numbers<Scalar, F>& n, const Vec<Scalar>& x) {
  const auto shifted = madd(x, n[log2e], n[magic]);
  const auto k = sub(shifted, n[magic]);
  const auto r = madd(k, n[ln2_low], madd(k, n[ln2_high], x));
  return {power_of_two<Scalar>(k, shifted), r, mul(r, r)};
}

// scale (1 + expm1). Rounded twice, a small product of the two would be flushed to zero.
template <class V>
RNNFAST_INLINE V scaled_exp(const V& scale, const V& expm1) {
  if constexpr (kFused) return madd(scale, expm1, scale);
  return mul(scale, add(splat<V>(1), expm1));
}

}  // namespace detail

// exp(x) for x <= 0.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> exp_nonpositive(const Vec<Scalar>& x) {
  const detail::Numbers<Scalar, 1> n;
  const auto least = n[detail::least];
  const auto [scale, r, r2] = detail::reduce(n, keep_nan_max<Vec<Scalar>>(x, least));
  const auto expm1 = madd(detail::exp_q(n, r, r2), r2, r);
  return bits_without(detail::scaled_exp(scale, expm1), less(x, least));
}

// 1 / (1 + exp(-x)). The largest exp makes it subnormal, which kernels flush to zero.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> sigmoid(const Vec<Scalar>& x) {
  const detail::Numbers<Scalar, -1> n;
  const auto [scale, r, r2] = detail::reduce(
      n,
      keep_nan_min<Vec<Scalar>>(keep_nan_max<Vec<Scalar>>(x, n[detail::least]), n[detail::most]));
  const auto expm1 = msub(detail::exp_q(n, r, r2), r2, r);
  return detail::reciprocal(add(n[detail::one], detail::scaled_exp(scale, expm1)));
}

// tanh(x) = sign(x) m / (2 - m) with m = 1 - exp(-2|x|), formed without cancellation near 0.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> tanh(const Vec<Scalar>& x) {
  const detail::Numbers<Scalar, -2> n;
  const auto [scale, r, r2] =
      detail::reduce(n, keep_nan_min<Vec<Scalar>>(absolute(x), n[detail::most]));
  const auto part = nmadd(detail::exp_q(n, r, r2), r2, add(r, r));  // 1 - exp(-2r)
  const auto m = madd(scale, part, sub(n[detail::one], scale));
  return bits_or(detail::quotient(m, sub(n[detail::two], m)), bits_and(x, n[detail::sign]));
}

// A cell's choice of an activation: tanh or max(0, .).
enum class Nonlinearity { tanh, relu };

template <class Scalar, Nonlinearity g>
RNNFAST_INLINE Vec<Scalar> activate(const Vec<Scalar>& x) {
  if constexpr (g == Nonlinearity::relu) return keep_nan_max(x, zeros<Scalar>());
  return tanh<Scalar>(x);
}

// Derivatives in terms of the outputs.
template <class V>
RNNFAST_INLINE V d_tanh(const V& y) {  // y = tanh(x)
  return sub(splat<V>(1), mul(y, y));
}
template <class V>
RNNFAST_INLINE V d_sigmoid(const V& y) {  // y = sigmoid(x)
  return mul(y, sub(splat<V>(1), y));
}

template <class Scalar, Nonlinearity g>
RNNFAST_INLINE Vec<Scalar> activate_backward(const Vec<Scalar>& dy, const Vec<Scalar>& y) {
  if constexpr (g == Nonlinearity::relu) return bits_and(dy, less(zeros<Scalar>(), y));
  return mul(dy, d_tanh(y));
}

}  // namespace rnnfast
