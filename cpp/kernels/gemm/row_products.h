// Products that sum over rows, as the gradients of weights do.
//
//   to[block][k][count][V] (+)= sum over rows of left[k][row] right[block][row]
//
// The left operand is interleaved for the tiles first; the right one is read where it lies. Each
// element sums over a run of rows in registers, the runs in memory, in one order for any number of
// threads.
#pragma once

#include "kernels/gemm/tiling.h"

namespace rnnfast {

// Longest chain of additions over rows: many short sums round less than a long one.
constexpr std::int64_t kChainedRows = 64;

// Vectors of the right operand: of block u in row r at data + u * block + r * row.
template <class Scalar>
struct RowsOfBlocks {
  const Scalar* data;
  std::int64_t block, row;
};

// This worker's share of K numbers of each row, interleaved: [panel of k][row][k within the panel].
// A few rows of each panel in turn: the same place in all panels is but two sets of a cache.
template <class Scalar, int MR, class Row>
void interleave_panels(Scalar* to, std::int64_t K, Range rows, const Worker& worker,
                       const Row& row_at) {
  constexpr std::int64_t kTogether = 16;
  const std::int64_t count = rows.end - rows.begin;
  const Range panels = share((K + MR - 1) / MR, worker.member, worker.members);
  for (std::int64_t first = 0; first < count; first += kTogether) {
    const std::int64_t together = std::min(kTogether, count - first);
    const Scalar* row[kTogether];
    for (std::int64_t r = 0; r < together; ++r) row[r] = row_at(rows.begin + first + r);
    for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
      Scalar* cell = to + (panel * count + first) * MR;
      const std::int64_t k = panel * MR;
      for (std::int64_t r = 0; r < together; ++r, cell += MR)
        if (k + MR <= K)
          std::memcpy(cell, row[r] + k, MR * sizeof(Scalar));
        else
          for (int m = 0; m < MR; ++m) cell[m] = k + m < K ? row[r][k + m] : Scalar(0);
    }
  }
}

// The same for tiles of a product with `count` vectors a block.
template <class Scalar, class Row>
__attribute__((noinline)) void interleave_rows(int count, Scalar* to, std::int64_t K, Range rows,
                                               const Worker& worker, const Row& row_at) {
  with_count<4>(count, [&](auto n) {
    interleave_panels<Scalar, tile_shape(decltype(n)::value).rows>(to, K, rows, worker, row_at);
  });
}

// One tile: MR numbers from `k` on, U blocks. Not inlined: beside its neighbours the compiler keeps
// no accumulator in a register.
template <class Scalar, int Count, int MR, int U>
__attribute__((noinline)) void row_product_tile(const Scalar* left, std::int64_t K,
                                                const RowsOfBlocks<Scalar>& right,
                                                std::int64_t block, std::int64_t k, Scalar* to,
                                                Range rows, bool fresh, const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t n = rows.end - rows.begin;
  const Scalar* b[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u)
    b[u] = right.data + (block + u) * right.block + rows.begin * right.row;
  Scalar* c = to + (block * K + k) * Count * V;
  Prefetcher prefetcher(right.data + prefetch.next * right.block + rows.begin * right.row,
                        n * right.row * static_cast<std::int64_t>(sizeof(Scalar)), prefetch, n);
  for (std::int64_t r = 0; r < n; r += kChainedRows) {
    const std::int64_t part = std::min(kChainedRows, n - r);
    Tile<Scalar, MR, U, Count> acc;
    clear<Scalar, MR, U, Count>(acc);
    accumulate<Scalar, MR, U, Count>(acc, Interleaved<Scalar, MR>{left + k * n + r * MR}, b,
                                     right.row, part, prefetcher);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
        for (int g = 0; g < Count; ++g) {
          Scalar* at = c + ((u * K + m) * Count + g) * V;
          if (fresh)
            store(at, acc[m][u][g]);
          else
            store(at, add(load(static_cast<const Scalar*>(at)), acc[m][u][g]));
        }
    fresh = false;
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) b[u] += part * right.row;
  }
}

// to += left times right over `rows`, or = where `fresh`; K is that of whole tiles. Threads own
// blocks, or panels of k where there are too few blocks.
template <class Scalar>
__attribute__((noinline)) void row_product(int count, const Scalar* left, std::int64_t K,
                                           const RowsOfBlocks<Scalar>& right, std::int64_t blocks,
                                           Scalar* to, Range rows, bool fresh,
                                           const Worker& worker) {
  with_count<4>(count, [&](auto n) {
    constexpr int Count = decltype(n)::value, MR = tile_shape(Count).rows;
    const bool by_block = blocks >= 2 * worker.members;
    const Range mine = by_block ? share(blocks, worker.member, worker.members) : Range{0, blocks};
    const Range panels = by_block ? Range{0, K / MR} : share(K / MR, worker.member, worker.members);
    for_block_groups(tile_shape(Count).blocks, mine, false, mine.begin,
                     [&](std::int64_t block, int group, std::int64_t next) {
                       with_group<tile_shape(Count).blocks>(group, [&](auto blocks) {
                         for (std::int64_t panel = panels.begin; panel < panels.end; ++panel)
                           row_product_tile<Scalar, Count, MR, decltype(blocks)::value>(
                               left, K, right, block, panel * MR, to, rows, fresh,
                               {panel - panels.begin, panels.end - panels.begin, next});
                       });
                     });
  });
}

}  // namespace rnnfast
