// Registers full of numbers.
//
// A `Vec<Scalar>` is Eigen's packet for the instruction set this file is compiled for; products,
// loads and stores go through Eigen, so that one source serves SSE, AVX2, AVX-512 and NEON.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
  #include <immintrin.h>
#elif defined(__aarch64__)
  #include <arm_neon.h>
#endif

#define RNNFAST_INLINE inline __attribute__((always_inline))

namespace rnnfast {

template <class Scalar>
using Vec = typename Eigen::internal::packet_traits<Scalar>::type;

template <class Scalar>
constexpr int lanes = Eigen::internal::unpacket_traits<Vec<Scalar>>::size;

// Vector registers the instruction set has: what a tile of accumulators must fit.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

template <class Scalar>
RNNFAST_INLINE Vec<Scalar> broadcast(Scalar value) {
  return Eigen::internal::pset1<Vec<Scalar>>(value);
}
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> zeros() {
  return broadcast<Scalar>(Scalar(0));
}
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> load(const Scalar* from) {
  return Eigen::internal::ploadu<Vec<Scalar>>(from);
}
template <class Scalar>
RNNFAST_INLINE void store(Scalar* to, const Vec<Scalar>& value) {
  Eigen::internal::pstoreu(to, value);
}

// The first `count` lanes; the others are 0 and stay untouched in memory.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> load_first(const Scalar* from, std::int64_t count) {
  if (count >= lanes<Scalar>) return load(from);
  alignas(64) Scalar buffer[lanes<Scalar>] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(count) * sizeof(Scalar));
  return load(static_cast<const Scalar*>(buffer));
}
template <class Scalar>
RNNFAST_INLINE void store_first(Scalar* to, const Vec<Scalar>& value, std::int64_t count) {
  if (count >= lanes<Scalar>) return store(to, value);
  alignas(64) Scalar buffer[lanes<Scalar>];
  store(static_cast<Scalar*>(buffer), value);
  std::memcpy(to, buffer, static_cast<std::size_t>(count) * sizeof(Scalar));
}

template <class V>
RNNFAST_INLINE V add(const V& a, const V& b) {
  return Eigen::internal::padd(a, b);
}
template <class V>
RNNFAST_INLINE V sub(const V& a, const V& b) {
  return Eigen::internal::psub(a, b);
}
template <class V>
RNNFAST_INLINE V mul(const V& a, const V& b) {
  return Eigen::internal::pmul(a, b);
}
// a * b + c, rounded once where the instruction set can (`kFused`).
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif
template <class V>
RNNFAST_INLINE V madd(const V& a, const V& b, const V& c) {
  return Eigen::internal::pmadd(a, b, c);
}

// a * b - c and c - a * b, which Eigen 3.4 does not name.
template <class V>
RNNFAST_INLINE V msub(const V& a, const V& b, const V& c) {
  return madd(a, b, V(Eigen::internal::pnegate(c)));
}
template <class V>
RNNFAST_INLINE V nmadd(const V& a, const V& b, const V& c) {
  return madd(V(Eigen::internal::pnegate(a)), b, c);
}
#if defined(__AVX512F__)
template <>
RNNFAST_INLINE Vec<float> msub(const Vec<float>& a, const Vec<float>& b, const Vec<float>& c) {
  return _mm512_fmsub_ps(a, b, c);
}
template <>
RNNFAST_INLINE Vec<double> msub(const Vec<double>& a, const Vec<double>& b, const Vec<double>& c) {
  return _mm512_fmsub_pd(a, b, c);
}
template <>
RNNFAST_INLINE Vec<float> nmadd(const Vec<float>& a, const Vec<float>& b, const Vec<float>& c) {
  return _mm512_fnmadd_ps(a, b, c);
}
template <>
RNNFAST_INLINE Vec<double> nmadd(const Vec<double>& a, const Vec<double>& b, const Vec<double>& c) {
  return _mm512_fnmadd_pd(a, b, c);
}
#elif defined(__FMA__)
template <>
RNNFAST_INLINE Vec<float> msub(const Vec<float>& a, const Vec<float>& b, const Vec<float>& c) {
  return _mm256_fmsub_ps(a, b, c);
}
template <>
RNNFAST_INLINE Vec<double> msub(const Vec<double>& a, const Vec<double>& b, const Vec<double>& c) {
  return _mm256_fmsub_pd(a, b, c);
}
template <>
RNNFAST_INLINE Vec<float> nmadd(const Vec<float>& a, const Vec<float>& b, const Vec<float>& c) {
  return _mm256_fnmadd_ps(a, b, c);
}
template <>
RNNFAST_INLINE Vec<double> nmadd(const Vec<double>& a, const Vec<double>& b, const Vec<double>& c) {
  return _mm256_fnmadd_pd(a, b, c);
}
#endif

template <class V>
RNNFAST_INLINE V splat(typename Eigen::internal::unpacket_traits<V>::type value) {
  return Eigen::internal::pset1<V>(value);
}
template <class V>
RNNFAST_INLINE V divide(const V& a, const V& b) {
  return Eigen::internal::pdiv(a, b);
}
template <class V>
RNNFAST_INLINE V square_root(const V& x) {
  return Eigen::internal::psqrt(x);
}
template <class V>
RNNFAST_INLINE V absolute(const V& x) {
  return Eigen::internal::pabs(x);
}
// x * 2^n, exactly.
template <class V>
RNNFAST_INLINE V times_power_of_two(const V& x, const V& n) {
  return Eigen::internal::pldexp(x, n);
}

// All bits of a lane where it holds, none where not.
template <class V>
RNNFAST_INLINE V equal(const V& a, const V& b) {
  return Eigen::internal::pcmp_eq(a, b);
}
template <class V>
RNNFAST_INLINE V less(const V& a, const V& b) {
  return Eigen::internal::pcmp_lt(a, b);
}
template <class V>
RNNFAST_INLINE V bits_and(const V& a, const V& b) {
  return Eigen::internal::pand(a, b);
}
template <class V>
RNNFAST_INLINE V bits_or(const V& a, const V& b) {
  return Eigen::internal::por(a, b);
}
template <class V>
RNNFAST_INLINE V bits_without(const V& a, const V& b) {
  return Eigen::internal::pandnot(a, b);
}

// All bits set in the first `count` lanes, none in the others.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> first_lanes(std::int64_t count) {
  constexpr int V = lanes<Scalar>;
  alignas(64) unsigned char bytes[2 * V * sizeof(Scalar)];
  std::memset(bytes, 0xff, V * sizeof(Scalar));
  std::memset(bytes + V * sizeof(Scalar), 0, V * sizeof(Scalar));
  return load(reinterpret_cast<const Scalar*>(bytes) + V - count);
}

// Of all lanes.
template <class V>
RNNFAST_INLINE auto horizontal_sum(const V& x) {
  return Eigen::internal::predux(x);
}
template <class V>
RNNFAST_INLINE auto horizontal_max(const V& x) {
  return Eigen::internal::predux_max(x);
}

// As many vectors as lanes, in the member `packet`, and their exchange of rows and columns.
template <class Scalar>
using Square = Eigen::internal::PacketBlock<Vec<Scalar>, lanes<Scalar>>;
template <class Packet, int N>
RNNFAST_INLINE void transpose(Eigen::internal::PacketBlock<Packet, N>& square) {
  Eigen::internal::ptranspose(square);
}

// The larger and the smaller of x and bound, NaN where x is: of two operands with a NaN, x86
// returns the one that Eigen's order of arguments makes x.
template <class V>
RNNFAST_INLINE V keep_nan_max(const V& x, const V& bound) {
  return Eigen::internal::pmax(x, bound);
}
template <class V>
RNNFAST_INLINE V keep_nan_min(const V& x, const V& bound) {
  return Eigen::internal::pmin(x, bound);
}

// Subnormal numbers as zero within a scope (decaying states reach them, at a hundred times the
// cost); the caller's floating-point state comes back at its end.
class FlushSubnormals {
 public:
#if defined(__SSE2__)
  FlushSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushSubnormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  FlushSubnormals() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
    __asm__ volatile("msr fpcr, %0" : : "r"(saved_ | std::uint64_t(1) << 24) : "memory");
  }
  ~FlushSubnormals() { __asm__ volatile("msr fpcr, %0" : : "r"(saved_) : "memory"); }

 private:
  std::uint64_t saved_;
#else
  FlushSubnormals() {}
#endif
 public:
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;
};

}  // namespace rnnfast
