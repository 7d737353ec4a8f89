// The register-tile product: MR rows times U blocks of G vectors, summed over k in registers.
//
//   acc[m][u][g] += sum over k of a(m, k) * b[u][k * ldb + g * lanes ... + lanes)
//
// Every use of a matrix product in the kernels is this loop with other operands. Each accumulator
// sums over k in ascending order, one (fused) multiply-add a step, in parts whose lengths depend on
// K alone, so that a result's bits depend neither on the tile's height nor on its neighbours.
#pragma once

#include <algorithm>

#include "kernels/core/simd.h"

namespace rnnfast {

template <class Scalar, int MR, int U, int G>
using Tile = Vec<Scalar>[MR][U][G];

// Left operands: rows anywhere in memory, or rows interleaved in a panel [k][MR].
template <class Scalar, int MR>
struct Rows {
  const Scalar* row[MR];
  RNNFAST_INLINE Scalar operator()(int m, std::int64_t k) const { return row[m][k]; }
};
template <class Scalar, int MR>
struct Interleaved {
  const Scalar* panel;
  RNNFAST_INLINE Scalar operator()(int m, std::int64_t k) const { return panel[k * MR + m]; }
};

// Which of the `count` tiles that read the same panels one is, and the block whose panels are next.
// It is copied member by member: a copy as one vector of what was just written as several numbers
// waits until all that was stored before has left the store buffer.
struct Prefetch {
  Prefetch() = default;
  RNNFAST_INLINE Prefetch(std::int64_t which, std::int64_t tiles, std::int64_t next_block)
      : index(which), count(tiles), next(next_block) {}
  // NOLINTNEXTLINE(modernize-use-equals-default)
  RNNFAST_INLINE Prefetch(const Prefetch& other)
      : index(other.index), count(other.count), next(other.next) {}

  std::int64_t index = 0, count = 1, next = 0;
};

// What a product fetches into the L2 cache meanwhile: one of `prefetch.count` parts of the `bytes`
// at `next`, which later tiles will read, spread over K steps.
class Prefetcher {
 public:
  Prefetcher(const void* next, std::int64_t bytes, const Prefetch& prefetch, std::int64_t K)
      : at_(static_cast<const char*>(next) + bytes * prefetch.index / prefetch.count),
        step_(std::min(kLine, bytes / (prefetch.count * K) + 1)) {}
  RNNFAST_INLINE void fetch() {
    __builtin_prefetch(at_, 0, 2);
    at_ += step_;
  }
  static constexpr std::int64_t kLine = 64;  // bytes

 private:
  const char* at_;
  std::int64_t step_;
};
struct Nothing {
  RNNFAST_INLINE void fetch() {}
};

// Tiles of so many rows read their panel from L2 slowly enough for it to be fetched in time.
constexpr int kFetchingRows = kRegisters >= 32 ? 4 : 3;
// With 32 registers a step reads more than the CPU fetches into L1 by itself: it is fetched so many
// steps before. With sixteen a step is short, and each instruction more is felt, most of all where
// two threads share a core.
constexpr int kFetchedSteps = 8;
constexpr bool kFetchesPanel = kRegisters >= 32;

template <class Scalar, int MR, int U, int G, class Left, class Later = Nothing>
RNNFAST_INLINE void accumulate(Tile<Scalar, MR, U, G>& acc, const Left& a,
                               const Scalar* const (&b)[U], std::int64_t ldb, std::int64_t K,
                               Later&& later = {}) {
  constexpr int V = lanes<Scalar>;
  const Scalar* p[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) p[u] = b[u];
  for (std::int64_t k = 0; k < K; ++k) {
    if constexpr (MR >= kFetchingRows) {
      constexpr int line = static_cast<int>(Prefetcher::kLine / sizeof(Scalar));
      if constexpr (kFetchesPanel && G * V >= line) {
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
          for (int at = 0; at < G * V; at += line)
            __builtin_prefetch(p[u] + kFetchedSteps * ldb + at, 0, 3);
      }
      later.fetch();
    }
    if constexpr (kRegisters >= 32 || MR > U * G) {
      // The right operand's vectors stay in registers, the left's are broadcast one at a time.
      Vec<Scalar> right[U][G];
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) right[u][g] = load(p[u] + g * V);
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) {
        const Vec<Scalar> left = broadcast<Scalar>(a(m, k));
#pragma GCC unroll 8
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
          for (int g = 0; g < G; ++g) acc[m][u][g] = madd(left, right[u][g], acc[m][u][g]);
      }
    } else {
      // Sixteen registers: the broadcasts stay, the right operand comes one vector at a time.
      Vec<Scalar> left[MR];
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) left[m] = broadcast<Scalar>(a(m, k));
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
          const Vec<Scalar> right = load(p[u] + g * V);
#pragma GCC unroll 16
          for (int m = 0; m < MR; ++m) acc[m][u][g] = madd(left[m], right, acc[m][u][g]);
        }
    }
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) p[u] += ldb;
  }
}

template <class Scalar, int MR, int U, int G>
RNNFAST_INLINE void clear(Tile<Scalar, MR, U, G>& acc) {
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) acc[m][u][g] = zeros<Scalar>();
}

// A tile's running total, in memory: sums over many k are formed in parts, because a long chain of
// additions rounds more than several short ones.
template <class Scalar, int MR, int U, int G>
class Total {
  static constexpr int V = lanes<Scalar>;

 public:
  // total += acc, acc = 0
  RNNFAST_INLINE void absorb(Tile<Scalar, MR, U, G>& acc) {
    combine<true>(acc);
    clear<Scalar, MR, U, G>(acc);
    empty_ = false;
  }
  // acc += total
  RNNFAST_INLINE void give(Tile<Scalar, MR, U, G>& acc) {
    if (!empty_) combine<false>(acc);
  }

 private:
  template <bool keep>
  RNNFAST_INLINE void combine(Tile<Scalar, MR, U, G>& acc) {
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) {
          Scalar* at = sum_[m][u][g];
          if (!(keep && empty_))
            acc[m][u][g] = add(acc[m][u][g], load(static_cast<const Scalar*>(at)));
          if (keep) store(at, acc[m][u][g]);
        }
  }

  alignas(64) Scalar sum_[MR][U][G][V];
  bool empty_ = true;
};

// Longest chain of additions over the inputs of a unit.
constexpr std::int64_t kLongestChain = 256;

// `accumulate` over rows of any length.
template <class Scalar, int MR, int U, int G, class Later>
RNNFAST_INLINE void accumulate_rows(Tile<Scalar, MR, U, G>& acc, Rows<Scalar, MR> left,
                                    const Scalar* const (&b)[U], std::int64_t ldb, std::int64_t K,
                                    Later& later) {
  if (K <= kLongestChain) return accumulate<Scalar, MR, U, G>(acc, left, b, ldb, K, later);
  Total<Scalar, MR, U, G> total;
  const Scalar* right[U];
  for (int u = 0; u < U; ++u) right[u] = b[u];
  for (;;) {
    const std::int64_t part = K < kLongestChain ? K : kLongestChain;
    accumulate<Scalar, MR, U, G>(acc, left, right, ldb, part, later);
    K -= part;
    if (K == 0) break;
    total.absorb(acc);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) left.row[m] += part;
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) right[u] += part * ldb;
  }
  total.give(acc);
}

// Rows of a full tile of so many vectors: 6x4, 8x3, 12x2 with 32 registers; 3x4, 4x3, 6x2 with 16.
constexpr int tile_rows(int vectors) {
  const int rows = vectors >= 4 ? 3 : vectors == 3 ? 4 : 6;
  return kRegisters >= 32 ? 2 * rows : rows;
}

// Tiles of a product whose right operand has so many vectors per block.
struct TileShape {
  int blocks, rows;
  int wide;  // blocks for a single row: enough accumulators to hide a multiply-add's latency
};
constexpr TileShape tile_shape(int count) {
  const int blocks = count >= 3 ? 1 : count == 2 ? 2 : 4;
  return {blocks, tile_rows(blocks * count), count >= 4 ? 2 : count == 3 ? 3 : 8 / count};
}

// Whether blocks in groups of `most`, and what is left in groups half as large and so on, come in
// groups of so many.
constexpr bool in_groups(int most, int blocks) {
  for (; most > 0; most /= 2)
    if (most == blocks) return true;
  return false;
}

// The longest of tiles, in vectors.
constexpr int kTileVectors = kRegisters >= 32 ? 24 : 12;
constexpr bool tiles_fit(int vectors) {
  const TileShape shape = tile_shape(vectors);
  return shape.rows * shape.blocks * vectors <= kTileVectors &&
         shape.wide * vectors <= kTileVectors && tile_rows(vectors) * vectors <= kTileVectors;
}
static_assert(tiles_fit(1) && tiles_fit(2) && tiles_fit(3) && tiles_fit(4));

// Calls f(std::integral_constant<int, n>()) for a run-time n in [1, Most].
template <int Most, class F>
RNNFAST_INLINE void with_count(int n, const F& f) {
  if constexpr (Most > 1) {
    if (n < Most) return with_count<Most - 1>(n, f);
  }
  f(std::integral_constant<int, Most>());
}
// The same for a size that `in_groups(Most, n)`.
template <int Most, class F>
RNNFAST_INLINE void with_group(int n, const F& f) {
  if constexpr (Most > 1) {
    if (n < Most) return with_group<Most / 2>(n, f);
  }
  f(std::integral_constant<int, Most>());
}

}  // namespace rnnfast
