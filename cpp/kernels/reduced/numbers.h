// The kinds of smaller numbers: what a weight is, what a row of activations becomes, and how a
// group of neighbours of both adds to a vector of sums.
//
// `Int8` and `Int16`: weights of 8 bits with a scale a row (rnnfast.reference.quantized), rows of
// activations of 8 or of up to 16 bits, each with a scale. Products are exact in int32.
// `BFloat16`: both of 16 bits where the CPU multiplies such; else weights alone, widened.
//
// What each kind says: `kGroup` neighbours are multiplied at once; a row has `kBytes` activations
// for each number; registers hold the sums of `kRows` rows; `kShift` is added to activations, and
// undone by a correction, with which sums begin; `kExact` sums are the same in any order. `place`
// is where the activations of a group stand in their row, `number` the k-th neighbours of a vector
// of groups of weights, `row` makes a row of activations and returns its scale.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "kernels/reduced/vectors.h"

namespace rnnfast::reduced {

constexpr float kLeast = 1e-30f;  // rows of less count as zero
// Rows times the four vectors of a panel, whose sums registers hold.
constexpr int kWidestRows = kRegisters == 32 ? 6 : 2;

// The largest |x| of a row; NaN if one is NaN.
RNNFAST_INLINE float largest_of(const float* x, std::int64_t n) {
  const Ints magnitude = splat_ints(0x7fffffff);
  Ints most = splat_ints(0);
  std::int64_t i = 0;
  for (; i + V <= n; i += V) most = max_ints(most, and_ints(bits_of(load(x + i)), magnitude));
  if (i < n) most = max_ints(most, and_ints(bits_of(load_first(x + i, n - i)), magnitude));
  alignas(64) std::int32_t each[V];
  std::memcpy(each, &most, sizeof each);
  std::int32_t bits = 0;
  for (int v = 0; v < V; ++v) bits = std::max(bits, each[v]);
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  return largest;
}

// Calls put(i, integers of x[i], ..., x[i + V - 1]) for a row, and returns its scale: NaN if a
// number is not finite, so that all that comes of the row is NaN.
template <class Put>
RNNFAST_INLINE float quantise_row(const float* x, std::int64_t n, float most, const Put& put) {
  const float largest = largest_of(x, n);
  const bool finite = largest <= FLT_MAX, zero = !finite || largest < kLeast;
  const Floats factor = broadcast(zero ? 0.0f : most / largest);
  std::int64_t i = 0;
  for (; i + V <= n; i += V) put(i, zero ? splat_ints(0) : round_to_ints(mul(load(x + i), factor)));
  if (i < n) put(i, zero ? splat_ints(0) : round_to_ints(mul(load_first(x + i, n - i), factor)));
  if (!finite) return std::nanf("");
  return zero ? 0.0f : largest / most;
}

// The scale of a row of weights: `scales` of the reference; NaN if a number is not finite.
inline float weight_scale(const float* row, std::int64_t n) {
  const float largest = largest_of(row, n);
  if (!(largest <= FLT_MAX)) return std::nanf("");
  if (largest < kLeast) return 0;
  const float exact = largest / 127.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &exact, sizeof bits);
  bits = (bits + 0xffu) & 0xffffff00u;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return scale;
}
inline std::int8_t quantised(float weight, float scale) {
  return scale > 0 ? static_cast<std::int8_t>(__builtin_rintf(weight / scale)) : std::int8_t(0);
}

// As many bits of activations as int32 holds sums of, at most 16.
inline float most_of_16_bits(std::int64_t columns) {
  return static_cast<float>(std::min<std::int64_t>(32767, 2147483647 / (127 * columns)));
}

#if defined(__AVX512VNNI__)
// The k-th of each four.
RNNFAST_INLINE Floats byte_of(const std::int8_t* from, std::int64_t k) {
  const int shift = 8 * static_cast<int>(3 - k);
  return to_floats(shift_right(shift_left(load_ints(from), shift), 24));
}

// Four of 8 bits, the activations without a sign.
struct Int8 {
  using Weight = std::int8_t;
  using Activation = std::uint8_t;
  using Sum = Ints;
  struct Factor {
    Ints value;
  };
  static constexpr int kGroup = 4, kBytes = 1;
  static constexpr int kRows = kWidestRows;
  static constexpr bool kScaled = true, kExact = true;
  static constexpr std::int32_t kShift = 128;

  static RNNFAST_INLINE std::int64_t place(std::int64_t group) { return group * kGroup; }
  static RNNFAST_INLINE Floats number(const Weight* from, std::int64_t k) {
    return byte_of(from, k);
  }
  static RNNFAST_INLINE Sum nothing() { return splat_ints(0); }
  static RNNFAST_INLINE Factor weights(const Weight* from) { return {load_ints(from)}; }
  static RNNFAST_INLINE Factor activations(const Activation* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return {splat_ints(four)};
  }
  static RNNFAST_INLINE Sum dot(const Sum& sum, const Factor& a, const Factor& w) {
    return add_fours(sum, a.value, w.value);
  }
  static RNNFAST_INLINE Sum sum_of(const Sum& a, const Sum& b) { return add_ints(a, b); }
  static RNNFAST_INLINE Sum begin(const std::int32_t* correction) { return load_ints(correction); }
  static RNNFAST_INLINE Floats value(const Sum& sum) { return to_floats(sum); }
  static float row(const float* x, std::int64_t n, Activation* to) {
    const Ints shift = splat_ints(kShift);
    return quantise_row(x, n, 127.0f, [&](std::int64_t i, const Ints& q) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                       _mm512_cvtepi32_epi8(add_ints(q, shift)));
    });
  }
};

// Four of 16 bits, as their upper bytes and their lower ones: [64 upper][64 lower].
struct Int16 {
  using Weight = std::int8_t;
  using Activation = std::uint8_t;
  struct Sum {
    Ints upper, lower;
  };
  struct Factor {
    Ints upper, lower;  // of weights the same
  };
  static constexpr int kGroup = 4, kBytes = 2;
  static constexpr int kRows = 3;
  static constexpr bool kScaled = true, kExact = true;
  static constexpr std::int32_t kShift = 128;  // of the upper

  static RNNFAST_INLINE std::int64_t place(std::int64_t group) {
    return group / 16 * 128 + group % 16 * 4;
  }
  static RNNFAST_INLINE Floats number(const Weight* from, std::int64_t k) {
    return byte_of(from, k);
  }
  static RNNFAST_INLINE Sum nothing() { return {splat_ints(0), splat_ints(0)}; }
  static RNNFAST_INLINE Factor weights(const Weight* from) {
    const Ints four = load_ints(from);
    return {four, four};
  }
  static RNNFAST_INLINE Factor activations(const Activation* from) {
    std::int32_t upper, lower;
    std::memcpy(&upper, from, sizeof upper);
    std::memcpy(&lower, from + 64, sizeof lower);
    return {splat_ints(upper), splat_ints(lower)};
  }
  static RNNFAST_INLINE Sum dot(const Sum& sum, const Factor& a, const Factor& w) {
    return {add_fours(sum.upper, a.upper, w.upper), add_fours(sum.lower, a.lower, w.lower)};
  }
  static RNNFAST_INLINE Sum sum_of(const Sum& a, const Sum& b) {
    return {add_ints(a.upper, b.upper), add_ints(a.lower, b.lower)};
  }
  static RNNFAST_INLINE Sum begin(const std::int32_t* correction) {
    return {load_ints(correction), splat_ints(0)};
  }
  static RNNFAST_INLINE Floats value(const Sum& sum) {
    return to_floats(add_ints(shift_left(sum.upper, 8), sum.lower));
  }
  static float row(const float* x, std::int64_t n, Activation* to) {
    const Ints shift = splat_ints(kShift);
    return quantise_row(x, n, most_of_16_bits(n), [&](std::int64_t i, const Ints& q) {
      Activation* const at = to + i / 64 * 128 + i % 64;
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at),
                       _mm512_cvtepi32_epi8(add_ints(shift_right(q, 8), shift)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at + 64), _mm512_cvtepi32_epi8(q));
    });
  }
};
#else
// Pairs of 16 bits: what every CPU has.
struct Pairs {
  using Weight = std::int8_t;
  using Activation = std::int16_t;
  using Sum = Ints;
  struct Factor {
    Ints value;
  };
  static constexpr int kGroup = 2, kBytes = 1;
  static constexpr int kRows = kWidestRows;
  static constexpr bool kScaled = true, kExact = true;
  static constexpr std::int32_t kShift = 0;

  static RNNFAST_INLINE std::int64_t place(std::int64_t group) { return group * kGroup; }
  static RNNFAST_INLINE Floats number(const Weight* from, std::int64_t k) {
    return to_floats(shift_right(shift_left(widen_bytes(from), k == 0 ? 16 : 0), 16));
  }
  static RNNFAST_INLINE Sum nothing() { return splat_ints(0); }
  static RNNFAST_INLINE Factor weights(const Weight* from) { return {widen_bytes(from)}; }
  static RNNFAST_INLINE Factor activations(const Activation* from) {
    std::int32_t both;
    std::memcpy(&both, from, sizeof both);
    return {splat_ints(both)};
  }
  static RNNFAST_INLINE Sum dot(const Sum& sum, const Factor& a, const Factor& w) {
    return add_pairs(sum, a.value, w.value);
  }
  static RNNFAST_INLINE Sum sum_of(const Sum& a, const Sum& b) { return add_ints(a, b); }
  static RNNFAST_INLINE Sum begin(const std::int32_t*) { return nothing(); }
  static RNNFAST_INLINE Floats value(const Sum& sum) { return to_floats(sum); }
  static float row_with(const float* x, std::int64_t n, float most, Activation* to) {
    return quantise_row(x, n, most,
                        [&](std::int64_t i, const Ints& q) { store_shorts(to + i, q); });
  }
};

struct Int16 : Pairs {
  static float row(const float* x, std::int64_t n, Activation* to) {
    return row_with(x, n, most_of_16_bits(n), to);
  }
};
struct Int8 : Pairs {
  static float row(const float* x, std::int64_t n, Activation* to) {
    return row_with(x, n, 127.0f, to);
  }
};
#endif

inline std::uint16_t bfloat16_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// The k-th of each two.
RNNFAST_INLINE Floats half_of(const std::uint16_t* from, std::int64_t k) {
  const Ints upper = shift_left(load_ints(from), k == 0 ? 16 : 0);
  return floats_of(and_ints(upper, splat_ints(static_cast<std::int32_t>(0xffff0000u))));
}

#if defined(__AVX512BF16__)
struct BFloat16 {
  using Weight = std::uint16_t;
  using Activation = std::uint16_t;
  using Sum = Floats;
  struct Factor {
    Ints value;
  };
  static constexpr int kGroup = 2, kBytes = 1;
  static constexpr int kRows = kWidestRows;
  static constexpr bool kScaled = false, kExact = false;
  static constexpr std::int32_t kShift = 0;

  static RNNFAST_INLINE std::int64_t place(std::int64_t group) { return group * kGroup; }
  static RNNFAST_INLINE Floats number(const Weight* from, std::int64_t k) {
    return half_of(from, k);
  }
  static RNNFAST_INLINE Sum nothing() { return zeros<float>(); }
  static RNNFAST_INLINE Factor weights(const Weight* from) { return {load_ints(from)}; }
  static RNNFAST_INLINE Factor activations(const Activation* from) {
    std::int32_t both;
    std::memcpy(&both, from, sizeof both);
    return {splat_ints(both)};
  }
  static RNNFAST_INLINE Sum dot(const Sum& sum, const Factor& a, const Factor& w) {
    return add_halves(sum, a.value, w.value);
  }
  static RNNFAST_INLINE Sum begin(const std::int32_t*) { return nothing(); }
  static RNNFAST_INLINE Floats value(const Sum& sum) { return sum; }
  static float row(const float* x, std::int64_t n, Activation* to) {
    std::int64_t i = 0;
    const auto put = [&](const Floats& value) {
      const __m256bh rounded = _mm512_cvtneps_pbh(value);
      std::memcpy(to + i, &rounded, sizeof rounded);
    };
    for (; i + V <= n; i += V) put(load(x + i));
    if (i < n) put(load_first(x + i, n - i));
    return 1;
  }
};
#else
struct BFloat16 {
  using Weight = std::uint16_t;
  using Activation = float;
  using Sum = Floats;
  struct Factor {
    Floats even, odd;
  };
  static constexpr int kGroup = 2, kBytes = 1;
  static constexpr int kRows = kWidestRows;
  static constexpr bool kScaled = false, kExact = false;
  static constexpr std::int32_t kShift = 0;

  static RNNFAST_INLINE std::int64_t place(std::int64_t group) { return group * kGroup; }
  static RNNFAST_INLINE Floats number(const Weight* from, std::int64_t k) {
    return half_of(from, k);
  }
  static RNNFAST_INLINE Sum nothing() { return zeros<float>(); }
  static RNNFAST_INLINE Factor weights(const Weight* from) {
    const Ints both = load_ints(from);
    return {floats_of(shift_left(both, 16)),
            floats_of(and_ints(both, splat_ints(static_cast<std::int32_t>(0xffff0000u))))};
  }
  static RNNFAST_INLINE Factor activations(const Activation* from) {
    return {broadcast(from[0]), broadcast(from[1])};
  }
  static RNNFAST_INLINE Sum dot(const Sum& sum, const Factor& a, const Factor& w) {
    return madd(a.odd, w.odd, madd(a.even, w.even, sum));
  }
  static RNNFAST_INLINE Sum begin(const std::int32_t*) { return nothing(); }
  static RNNFAST_INLINE Floats value(const Sum& sum) { return sum; }
  static float row(const float* x, std::int64_t n, Activation* to) {
    std::memcpy(to, x, static_cast<std::size_t>(n) * sizeof(float));
    return 1;
  }
};
#endif

}  // namespace rnnfast::reduced
