// Products that sum over rows, as the gradients of weights do.
//
//   to[unit][k] += sum over rows of left[k][row] right[unit][row]
//
// The left operand is interleaved for the tiles first; the right one is read where it lies, the
// units of a block in the lanes of its vectors. Each element sums over a run of rows in registers,
// the runs in a panel of the block, in one order for any number of threads; the panel's sums are
// added to rows of a matrix before those of the next block take its place.
#pragma once

#include "kernels/gemm/tiling.h"
#include "kernels/gemm/transpose.h"

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

// Rows of a matrix of `columns` numbers that sums are added to: lane v of vector g of a block to
// row gate[g] * units + block * V + v.
template <class Scalar>
struct SummedRows {
  Scalar* to;
  const int* gate;
  std::int64_t units, columns;

  // Of vectors of numbers `k`, that lie in a panel [k][count][V].
  void add(int count, std::int64_t block, const Scalar* panel, Range k) const {
    constexpr int V = lanes<Scalar>;
    const std::int64_t width = count * V, end = std::min(k.end, columns);
    for (int g = 0; g < count && k.begin < end; ++g)
      unpack_lanes_add(panel + k.begin * width + g * V, width, units - block * V, end - k.begin,
                       to + (gate[g] * units + block * V) * columns + k.begin, columns);
  }
};

// One tile: MR numbers, U blocks whose panels lie `panel` apart. Not inlined: beside its neighbours
// the compiler keeps no accumulator in a register.
template <class Scalar, int Count, int MR, int U>
__attribute__((noinline)) void row_product_tile(const Scalar* left,
                                                const RowsOfBlocks<Scalar>& right,
                                                std::int64_t block, Range rows, Scalar* to,
                                                std::int64_t panel, const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t n = rows.end - rows.begin;
  const Scalar* b[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u)
    b[u] = right.data + (block + u) * right.block + rows.begin * right.row;
  Prefetcher prefetcher(right.data + prefetch.next * right.block + rows.begin * right.row,
                        n * right.row * static_cast<std::int64_t>(sizeof(Scalar)), prefetch, n);
  for (std::int64_t r = 0; r < n; r += kChainedRows) {
    const std::int64_t part = std::min(kChainedRows, n - r);
    Tile<Scalar, MR, U, Count> acc;
    clear<Scalar, MR, U, Count>(acc);
    accumulate<Scalar, MR, U, Count>(acc, Interleaved<Scalar, MR>{left + r * MR}, b, right.row,
                                     part, prefetcher);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
        for (int g = 0; g < Count; ++g) {
          Scalar* at = to + u * panel + (m * Count + g) * V;
          if (r == 0)
            store(at, acc[m][u][g]);
          else
            store(at, add(load(static_cast<const Scalar*>(at)), acc[m][u][g]));
        }
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) b[u] += part * right.row;
  }
}

// Numbers that `row_product` wants for the panels of blocks that are summed together.
template <class Scalar>
std::int64_t row_panels(int count, std::int64_t K) {
  return tile_shape(count).blocks * K * count * lanes<Scalar>;
}

// to += left times right over `rows`, one at least; K is that of whole tiles. Threads own blocks,
// or panels of k where there are too few blocks, and have panels of their own.
template <class Scalar>
__attribute__((noinline)) void row_product(int count, const Scalar* left, std::int64_t K,
                                           const RowsOfBlocks<Scalar>& right, std::int64_t blocks,
                                           Range rows, Scalar* panels, const SummedRows<Scalar>& to,
                                           const Worker& worker) {
  with_count<4>(count, [&](auto n) {
    constexpr int Count = decltype(n)::value, MR = tile_shape(Count).rows;
    constexpr int width = Count * lanes<Scalar>;
    const bool by_block = blocks >= 2 * worker.members;
    const Range mine = by_block ? share(blocks, worker.member, worker.members) : Range{0, blocks};
    const Range tiles = by_block ? Range{0, K / MR} : share(K / MR, worker.member, worker.members);
    for_block_groups(tile_shape(Count).blocks, mine, false, mine.begin,
                     [&](std::int64_t block, int group, std::int64_t next) {
                       with_group<tile_shape(Count).blocks>(group, [&](auto blocks) {
                         for (std::int64_t tile = tiles.begin; tile < tiles.end; ++tile)
                           row_product_tile<Scalar, Count, MR, decltype(blocks)::value>(
                               left + tile * MR * (rows.end - rows.begin), right, block, rows,
                               panels + tile * MR * width, K * width,
                               {tile - tiles.begin, tiles.end - tiles.begin, next});
                       });
                       for (int u = 0; u < group; ++u)
                         to.add(Count, block + u, panels + u * K * width,
                                {tiles.begin * MR, tiles.end * MR});
                     });
  });
}

}  // namespace rnnfast
