// Rows become the lanes of a panel, and back.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast {

// Columns that are read together: as many numbers of a row as 16 bytes hold.
template <class Scalar>
constexpr int kColumns = static_cast<int>(16 / sizeof(Scalar));

#if defined(__AVX__)
// Pieces of 16 bytes side by side, `stride` apart in memory: to put them there takes no shuffle.
RNNFAST_INLINE __m256d pieces(const double* from, std::int64_t stride, __m256d) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(from)),
                              _mm_loadu_pd(from + stride), 1);
}
RNNFAST_INLINE __m256 pieces(const float* from, std::int64_t stride, __m256) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                              _mm_loadu_ps(from + stride), 1);
}
RNNFAST_INLINE void transpose_pieces(__m256 (&row)[4]) {
  const __m256 a = _mm256_unpacklo_ps(row[0], row[1]), b = _mm256_unpackhi_ps(row[0], row[1]),
               c = _mm256_unpacklo_ps(row[2], row[3]), d = _mm256_unpackhi_ps(row[2], row[3]);
  row[0] = _mm256_shuffle_ps(a, c, 0x44);
  row[1] = _mm256_shuffle_ps(a, c, 0xEE);
  row[2] = _mm256_shuffle_ps(b, d, 0x44);
  row[3] = _mm256_shuffle_ps(b, d, 0xEE);
}
RNNFAST_INLINE void transpose_pieces(__m256d (&row)[2]) {
  const __m256d first = row[0];
  row[0] = _mm256_unpacklo_pd(first, row[1]);
  row[1] = _mm256_unpackhi_pd(first, row[1]);
}
#endif
#if defined(__AVX512F__)
RNNFAST_INLINE __m512 pieces(const float* from, std::int64_t stride, __m512) {
  __m512 all = _mm512_castps128_ps512(_mm_loadu_ps(from));
  all = _mm512_insertf32x4(all, _mm_loadu_ps(from + stride), 1);
  all = _mm512_insertf32x4(all, _mm_loadu_ps(from + 2 * stride), 2);
  return _mm512_insertf32x4(all, _mm_loadu_ps(from + 3 * stride), 3);
}
RNNFAST_INLINE __m512d pieces(const double* from, std::int64_t stride, __m512d) {
  __m512d all = _mm512_castpd128_pd512(_mm_loadu_pd(from));
  all = _mm512_insertf64x2(all, _mm_loadu_pd(from + stride), 1);
  all = _mm512_insertf64x2(all, _mm_loadu_pd(from + 2 * stride), 2);
  return _mm512_insertf64x2(all, _mm_loadu_pd(from + 3 * stride), 3);
}
RNNFAST_INLINE void transpose_pieces(__m512 (&row)[4]) {
  const __m512 a = _mm512_unpacklo_ps(row[0], row[1]), b = _mm512_unpackhi_ps(row[0], row[1]),
               c = _mm512_unpacklo_ps(row[2], row[3]), d = _mm512_unpackhi_ps(row[2], row[3]);
  row[0] = _mm512_shuffle_ps(a, c, 0x44);
  row[1] = _mm512_shuffle_ps(a, c, 0xEE);
  row[2] = _mm512_shuffle_ps(b, d, 0x44);
  row[3] = _mm512_shuffle_ps(b, d, 0xEE);
}
RNNFAST_INLINE void transpose_pieces(__m512d (&row)[2]) {
  const __m512d first = row[0];
  row[0] = _mm512_unpacklo_pd(first, row[1]);
  row[1] = _mm512_unpackhi_pd(first, row[1]);
}
#endif

// column[j] = from[v * ld + j] in lane v, for whole vectors of rows.
template <class Scalar>
RNNFAST_INLINE void load_columns(const Scalar* from, std::int64_t ld,
                                 Vec<Scalar> (&column)[kColumns<Scalar>]) {
  constexpr int N = kColumns<Scalar>;
  if constexpr (lanes<Scalar> > N) {
#pragma GCC unroll 4
    for (int r = 0; r < N; ++r) column[r] = pieces(from + r * ld, N * ld, Vec<Scalar>());
    transpose_pieces(column);
  } else {
    Square<Scalar> square;
#pragma GCC unroll 4
    for (int r = 0; r < N; ++r) square.packet[r] = load(from + r * ld);
    transpose(square);
#pragma GCC unroll 4
    for (int r = 0; r < N; ++r) column[r] = square.packet[r];
  }
}

// to[k * ldt + v] = from[v * ldf + k] for v < units, 0 up to V; k < K. V of `from`'s rows become
// the lanes of a panel.
template <class Scalar>
void pack_lanes(const Scalar* from, std::int64_t ldf, std::int64_t units, std::int64_t K,
                Scalar* to, std::int64_t ldt) {
  constexpr int V = lanes<Scalar>;
  constexpr int N = kColumns<Scalar>;
  std::int64_t k = 0;
  if (units >= V)
    for (; k + N <= K; k += N) {
      Vec<Scalar> column[N];
      load_columns(from + k, ldf, column);
      for (int j = 0; j < N; ++j) store(to + (k + j) * ldt, column[j]);
    }
  for (; k < K; ++k)
    for (std::int64_t v = 0; v < V; ++v)
      to[k * ldt + v] = v < units ? from[v * ldf + k] : Scalar(0);
}

// The way back, added: to[v * ldt + k] += from[k * ldf + v] for v < units.
template <class Scalar>
void unpack_lanes_add(const Scalar* from, std::int64_t ldf, std::int64_t units, std::int64_t K,
                      Scalar* to, std::int64_t ldt) {
  constexpr int V = lanes<Scalar>;
  std::int64_t k = 0;
  if (units >= V) {
    for (; k + V <= K; k += V) {
      Square<Scalar> block;
      for (int j = 0; j < V; ++j) block.packet[j] = load(from + (k + j) * ldf);
      transpose(block);
      for (int v = 0; v < V; ++v) {
        Scalar* row = to + v * ldt + k;
        store(row, add(load(static_cast<const Scalar*>(row)), block.packet[v]));
      }
    }
  }
  const std::int64_t used = units < V ? units : V;
  for (; k < K; ++k)
    for (std::int64_t v = 0; v < used; ++v) to[v * ldt + k] += from[k * ldf + v];
}

}  // namespace rnnfast
