// Registers full of integers beside those of float, and the few things that products of smaller
// numbers do with them.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast::reduced {

constexpr int V = lanes<float>;
using Floats = Vec<float>;

// A sum that is made before the next one is begun. Compilers would rather load all factors first,
// and with 16 registers then keep some of the sums in memory, where each step waits for the last.
template <class Sum>
RNNFAST_INLINE Sum in_order(Sum sum) {
#if defined(__SSE2__) && !defined(__AVX512F__)
  __asm__ volatile("" : "+x"(sum));
#endif
  return sum;
}

#if defined(__AVX512VNNI__)  // which multiplies bytes as they are
using Ints = __m512i;
// sum + a[4i] b[4i] + ... + a[4i + 3] b[4i + 3] of 8 bits, a without a sign; and of two bfloat16.
// GCC keeps sums of the intrinsics in memory beside their registers, and writes them at each step.
RNNFAST_INLINE Ints add_fours(Ints sum, const Ints& a, const Ints& b) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
  #if defined(__AVX512BF16__)
RNNFAST_INLINE Floats add_halves(Floats sum, const Ints& a, const Ints& b) {
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
  #endif
RNNFAST_INLINE Ints load_ints(const void* from) { return _mm512_loadu_si512(from); }
RNNFAST_INLINE Ints splat_ints(std::int32_t value) { return _mm512_set1_epi32(value); }
RNNFAST_INLINE Ints add_ints(const Ints& a, const Ints& b) { return _mm512_add_epi32(a, b); }
RNNFAST_INLINE Ints and_ints(const Ints& a, const Ints& b) { return _mm512_and_si512(a, b); }
RNNFAST_INLINE Ints max_ints(const Ints& a, const Ints& b) { return _mm512_max_epi32(a, b); }
RNNFAST_INLINE Ints shift_left(const Ints& a, int bits) {
  return _mm512_sll_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Ints shift_right(const Ints& a, int bits) {  // by the sign
  return _mm512_sra_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Floats to_floats(const Ints& a) { return _mm512_cvtepi32_ps(a); }
RNNFAST_INLINE Ints round_to_ints(const Floats& a) { return _mm512_cvtps_epi32(a); }
RNNFAST_INLINE Ints bits_of(const Floats& a) { return _mm512_castps_si512(a); }
RNNFAST_INLINE Floats floats_of(const Ints& a) { return _mm512_castsi512_ps(a); }
#elif defined(__AVX2__)
using Ints = __m256i;
RNNFAST_INLINE Ints load_ints(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
RNNFAST_INLINE Ints splat_ints(std::int32_t value) { return _mm256_set1_epi32(value); }
RNNFAST_INLINE Ints add_ints(const Ints& a, const Ints& b) { return _mm256_add_epi32(a, b); }
RNNFAST_INLINE Ints and_ints(const Ints& a, const Ints& b) { return _mm256_and_si256(a, b); }
RNNFAST_INLINE Ints max_ints(const Ints& a, const Ints& b) { return _mm256_max_epi32(a, b); }
RNNFAST_INLINE Ints shift_left(const Ints& a, int bits) {
  return _mm256_sll_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Ints shift_right(const Ints& a, int bits) {  // by the sign
  return _mm256_sra_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Floats to_floats(const Ints& a) { return _mm256_cvtepi32_ps(a); }
RNNFAST_INLINE Ints round_to_ints(const Floats& a) { return _mm256_cvtps_epi32(a); }
RNNFAST_INLINE Ints bits_of(const Floats& a) { return _mm256_castps_si256(a); }
RNNFAST_INLINE Floats floats_of(const Ints& a) { return _mm256_castsi256_ps(a); }
RNNFAST_INLINE Ints widen_bytes(const std::int8_t* from) {  // 2 V of them to 16 bits
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
RNNFAST_INLINE void store_shorts(std::int16_t* to, const Ints& a) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, a), 0x8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}
// sum + a[2i] b[2i] + a[2i + 1] b[2i + 1] of 16 bits.
RNNFAST_INLINE Ints add_pairs(const Ints& sum, const Ints& a, const Ints& b) {
  return in_order(_mm256_add_epi32(sum, _mm256_madd_epi16(a, b)));
}
#elif defined(__SSE2__)
using Ints = __m128i;
RNNFAST_INLINE Ints load_ints(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
RNNFAST_INLINE Ints splat_ints(std::int32_t value) { return _mm_set1_epi32(value); }
RNNFAST_INLINE Ints add_ints(const Ints& a, const Ints& b) { return _mm_add_epi32(a, b); }
RNNFAST_INLINE Ints and_ints(const Ints& a, const Ints& b) { return _mm_and_si128(a, b); }
RNNFAST_INLINE Ints max_ints(const Ints& a, const Ints& b) {
  const Ints more = _mm_cmpgt_epi32(a, b);
  return _mm_or_si128(_mm_and_si128(more, a), _mm_andnot_si128(more, b));
}
RNNFAST_INLINE Ints shift_left(const Ints& a, int bits) {
  return _mm_sll_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Ints shift_right(const Ints& a, int bits) {  // by the sign
  return _mm_sra_epi32(a, _mm_cvtsi32_si128(bits));
}
RNNFAST_INLINE Floats to_floats(const Ints& a) { return _mm_cvtepi32_ps(a); }
RNNFAST_INLINE Ints round_to_ints(const Floats& a) { return _mm_cvtps_epi32(a); }
RNNFAST_INLINE Ints bits_of(const Floats& a) { return _mm_castps_si128(a); }
RNNFAST_INLINE Floats floats_of(const Ints& a) { return _mm_castsi128_ps(a); }
RNNFAST_INLINE Ints widen_bytes(const std::int8_t* from) {  // 2 V of them to 16 bits
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
}
RNNFAST_INLINE void store_shorts(std::int16_t* to, const Ints& a) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi32(a, a));
}
RNNFAST_INLINE Ints add_pairs(const Ints& sum, const Ints& a, const Ints& b) {
  return in_order(_mm_add_epi32(sum, _mm_madd_epi16(a, b)));
}
#else  // for any CPU
struct Ints {
  std::int32_t of[V];
};
template <class F>
RNNFAST_INLINE Ints each(const F& f) {
  Ints result;
  for (int i = 0; i < V; ++i) result.of[i] = f(i);
  return result;
}
RNNFAST_INLINE Ints load_ints(const void* from) {
  Ints result;
  std::memcpy(&result, from, sizeof result);
  return result;
}
RNNFAST_INLINE Ints splat_ints(std::int32_t value) {
  return each([&](int) { return value; });
}
RNNFAST_INLINE Ints add_ints(const Ints& a, const Ints& b) {
  return each([&](int i) { return a.of[i] + b.of[i]; });
}
RNNFAST_INLINE Ints and_ints(const Ints& a, const Ints& b) {
  return each([&](int i) { return a.of[i] & b.of[i]; });
}
RNNFAST_INLINE Ints max_ints(const Ints& a, const Ints& b) {
  return each([&](int i) { return a.of[i] > b.of[i] ? a.of[i] : b.of[i]; });
}
RNNFAST_INLINE Ints shift_left(const Ints& a, int bits) {
  return each([&](int i) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(a.of[i]) << bits);
  });
}
RNNFAST_INLINE Ints shift_right(const Ints& a, int bits) {  // by the sign
  return each([&](int i) { return a.of[i] >> bits; });
}
RNNFAST_INLINE Floats to_floats(const Ints& a) {
  float result[V];
  for (int i = 0; i < V; ++i) result[i] = static_cast<float>(a.of[i]);
  return load(static_cast<const float*>(result));
}
RNNFAST_INLINE Ints bits_of(const Floats& a) {
  float values[V];
  store(static_cast<float*>(values), a);
  return load_ints(values);
}
RNNFAST_INLINE Floats floats_of(const Ints& a) {
  return load(reinterpret_cast<const float*>(static_cast<const void*>(a.of)));
}
RNNFAST_INLINE Ints round_to_ints(const Floats& a) {
  float values[V];
  store(static_cast<float*>(values), a);
  return each([&](int i) { return static_cast<std::int32_t>(__builtin_rintf(values[i])); });
}
RNNFAST_INLINE Ints widen_bytes(const std::int8_t* from) {  // 2 V of them to 16 bits
  std::int16_t wide[2 * V];
  for (int i = 0; i < 2 * V; ++i) wide[i] = from[i];
  return load_ints(wide);
}
RNNFAST_INLINE void store_shorts(std::int16_t* to, const Ints& a) {
  for (int i = 0; i < V; ++i) to[i] = static_cast<std::int16_t>(a.of[i]);
}
RNNFAST_INLINE Ints add_pairs(const Ints& sum, const Ints& a, const Ints& b) {
  std::int16_t left[2 * V], right[2 * V];
  std::memcpy(left, &a, sizeof left);
  std::memcpy(right, &b, sizeof right);
  return each([&](int i) {
    return sum.of[i] + left[2 * i] * right[2 * i] + left[2 * i + 1] * right[2 * i + 1];
  });
}
#endif

}  // namespace rnnfast::reduced
