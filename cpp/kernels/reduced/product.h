// Products of whole matrices in bfloat16, with sums in float32, on CPUs that multiply such numbers:
//
//   C (M, N) = start + A (M, K) B (K, N)
//
// As in multiply.h each element sums over K in blocks of kDepth, each a chain of pairs, which are
// added up in C; the order depends on neither threads nor M nor N. A block of B becomes panels of
// pairs of neighbours in k, [pair][vector][V]; some rows of A at a time become pairs too.
#pragma once

#include "kernels/abi/linear.h"
#include "kernels/gemm/multiply.h"
#include "kernels/reduced/vectors.h"

namespace rnnfast::reduced {

#if defined(__AVX512BF16__)
class BFloat16Product {
  using Pair = std::uint32_t;
  static constexpr std::int64_t kPairs = kDepth / 2;
  // Of A and of B that are packed at once.
  static constexpr std::int64_t kRows = 48, kColumns = 512;
  static constexpr int kTileRows = 6, kTileVectors = 4;
  static constexpr std::int64_t kPanel = kTileVectors * V;

 public:
  static std::int64_t scratch_bytes(int threads) {
    return (kColumns + threads * kRows) * kPairs * static_cast<std::int64_t>(sizeof(Pair));
  }

  static void run(std::int64_t M, std::int64_t N, std::int64_t K, const Factor<float>& a,
                  const Factor<float>& b, const ProductTarget& c, void* scratch, int threads) {
    const BFloat16Product all{a, b, c, static_cast<Pair*>(scratch), M};
    threads = useful_threads(threads, product_of(M, N, K), 1 << 21);
    for (std::int64_t n = 0; n < N; n += kColumns)
      for (std::int64_t k = 0; k < K || k == 0; k += kDepth) {
        const Range depth = {k, std::min(K, k + kDepth)}, columns = {n, std::min(N, n + kColumns)};
        const std::int64_t panels = ceil_div(columns.end - columns.begin, kPanel);
        parallel(threads, [&](int rank, int size) {
          const Range mine = share(panels, rank, size);
          for (std::int64_t p = mine.begin; p < mine.end; ++p)
            all.pack_panel(depth, {n + p * kPanel, std::min(N, n + (p + 1) * kPanel)}, p);
        });
        parallel(threads, [&](int rank, int size) {
          const Range mine = share(M, kRows, rank, size);
          for (std::int64_t m = mine.begin; m < mine.end; m += kRows)
            all.multiply_rows(depth, columns, {m, std::min(mine.end, m + kRows)}, rank);
        });
      }
  }

 private:
  // Rows of A as pairs: of row m and pair g at data[m * row + g * pair].
  struct Left {
    const Pair* data;
    std::int64_t row, pair;
  };

  static std::int64_t pairs_in(Range depth) { return ceil_div(depth.end - depth.begin, 2); }
  Pair* panel(std::int64_t p) const { return scratch + p * kPairs * kPanel; }

  // Two rows, of neighbours in k, to a vector of pairs.
  static RNNFAST_INLINE Ints paired(const Floats& even, const Floats& odd) {
    const auto rounded = [](const Floats& x) {
      const __m256bh halves = _mm512_cvtneps_pbh(x);
      __m256i bits;
      std::memcpy(&bits, &halves, sizeof bits);
      return _mm512_cvtepu16_epi32(bits);
    };
    return _mm512_or_si512(rounded(even), _mm512_slli_epi32(rounded(odd), 16));
  }

  // A matrix whose rows are of one k each: `width` pairs of each two of its rows, and zeros.
  static void pack_across(Matrix<const float> from, Range depth, Range columns, std::int64_t width,
                          Pair* to) {
    for (std::int64_t k = depth.begin; k < depth.end; k += 2, to += width) {
      const float* const even = from.data + k * from.stride;
      const bool both = k + 1 < depth.end;
      for (std::int64_t v = 0; v < width; v += V) {
        const std::int64_t c = columns.begin + v,
                           count = std::max<std::int64_t>(0, columns.end - c);
        const auto row = [&](const float* x) {
          return count >= V ? load(x + c) : count > 0 ? load_first(x + c, count) : zeros<float>();
        };
        _mm512_storeu_si512(to + v,
                            paired(row(even), both ? row(even + from.stride) : zeros<float>()));
      }
    }
  }

  // Neighbours in k of one row of a matrix, as pairs.
  static void pack_along(const float* from, Range depth, Pair* to) {
    const std::int64_t n = depth.end - depth.begin;
    from += depth.begin;
    for (std::int64_t i = 0; i < n; i += V) {
      const __m256bh halves =
          _mm512_cvtneps_pbh(i + V <= n ? load(from + i) : load_first(from + i, n - i));
      std::memcpy(to + i / 2, &halves, sizeof halves);
    }
  }

  void pack_panel(Range depth, Range columns, std::int64_t p) const {
    const std::int64_t width = ceil_div(columns.end - columns.begin, V) * V;
    if (!b.turned) return pack_across(b.matrix, depth, columns, width, panel(p));
    alignas(64) Pair pairs[kPairs] = {};
    for (std::int64_t c = 0; c < width; ++c) {
      if (columns.begin + c < columns.end)
        pack_along(b.matrix.data + (columns.begin + c) * b.matrix.stride, depth, pairs);
      else
        std::fill_n(pairs, kPairs, Pair(0));
      for (std::int64_t g = 0; g < pairs_in(depth); ++g) panel(p)[g * width + c] = pairs[g];
    }
  }

  Left pack_rows(Range depth, Range rows, int rank) const {
    Pair* const to = scratch + (kColumns + rank * kRows) * kPairs;
    if (a.turned) {
      pack_across(a.matrix, depth, rows, kRows, to);
      return {to, 1, kRows};
    }
    for (std::int64_t m = rows.begin; m < rows.end; ++m) {
      const float* const ahead = a.matrix.data + std::min(M - 1, m + 6) * a.matrix.stride;
      for (std::int64_t k = depth.begin; k < depth.end; k += 16) __builtin_prefetch(ahead + k);
      pack_along(a.matrix.data + m * a.matrix.stride, depth, to + (m - rows.begin) * kPairs);
    }
    return {to, kPairs, 1};
  }

  void multiply_rows(Range depth, Range columns, Range rows, int rank) const {
    const Left left = pack_rows(depth, rows, rank);
    const bool begins = depth.begin == 0;
    for (std::int64_t n = columns.begin, p = 0; n < columns.end; n += kPanel, ++p) {
      const std::int64_t count = std::min(kPanel, columns.end - n);
      for (std::int64_t m = rows.begin; m < rows.end; m += kTileRows) {
        Left from = left;
        from.data += (m - rows.begin) * left.row;
        const Range some = {m, std::min(rows.end, m + kTileRows)};
        switch (ceil_div(count, V)) {
          case 1:
            tile<1>(from, panel(p), pairs_in(depth), some, n, count, begins);
            break;
          case 2:
            tile<2>(from, panel(p), pairs_in(depth), some, n, count, begins);
            break;
          case 3:
            tile<3>(from, panel(p), pairs_in(depth), some, n, count, begins);
            break;
          default:
            tile<4>(from, panel(p), pairs_in(depth), some, n, count, begins);
        }
      }
    }
  }

  // At most kTileRows rows, of which those beyond are computed and left, and W vectors from column
  // n on.
  template <int W>
  void tile(const Left& left, const Pair* right, std::int64_t pairs, Range rows, std::int64_t n,
            std::int64_t count, bool begins) const {
    constexpr int R = kTileRows;
    Floats sums[R][W];
  #pragma GCC unroll 8
    for (int m = 0; m < R; ++m)
  #pragma GCC unroll 4
      for (int j = 0; j < W; ++j) sums[m][j] = zeros<float>();
    for (std::int64_t m = rows.begin; m < rows.end; ++m)
      for (int j = 0; j < W; ++j) __builtin_prefetch(c.data + m * c.stride + n + j * V, 1);
    const Pair* from = left.data;
    for (std::int64_t g = 0; g < pairs; ++g, from += left.pair, right += W * V) {
      Ints x[R];
  #pragma GCC unroll 8
      for (int m = 0; m < R; ++m) x[m] = splat_ints(static_cast<std::int32_t>(from[m * left.row]));
  #pragma GCC unroll 4
      for (int j = 0; j < W; ++j) {
        const Ints w = load_ints(right + j * V);
  #pragma GCC unroll 8
        for (int m = 0; m < R; ++m) sums[m][j] = add_halves(sums[m][j], x[m], w);
      }
    }
    alignas(64) float found[R][W * V];
  #pragma GCC unroll 8
    for (int m = 0; m < R; ++m)
  #pragma GCC unroll 4
      for (int j = 0; j < W; ++j) store(found[m] + j * V, sums[m][j]);
    for (std::int64_t m = rows.begin; m < rows.end; ++m) {
      float* const to = c.data + m * c.stride + n;
      const Floats bias = broadcast(c.row_bias != nullptr ? c.row_bias[m] : 0.0f);
      for (std::int64_t v = 0; v < count; v += V) {
        const Floats before =
            !begins || c.add ? load_first(static_cast<const float*>(to + v), count - v) : bias;
        const float* const sum = found[m - rows.begin] + v;
        store_first(to + v, add(before, load(sum)), count - v);
      }
    }
  }

  BFloat16Product(const Factor<float>& left, const Factor<float>& right,
                  const ProductTarget& target, Pair* memory, std::int64_t rows)
      : a(left), b(right), c(target), scratch(memory), M(rows) {}

  Factor<float> a, b;
  ProductTarget c;
  Pair* scratch;  // panels of B, then each thread's rows of A
  std::int64_t M;
};
#endif

}  // namespace rnnfast::reduced
