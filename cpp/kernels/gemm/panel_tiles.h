// Products of a few rows with packed panels, compiled once for all who ask for them: the register
// tile with operands and sums in memory.
#pragma once

#include <array>
#include <cstring>

#include "kernels/gemm/tile.h"

namespace rnnfast {

struct TileSize {
  int rows, blocks;
};

// Where a tile's sums go: vector g of row m and block u at `to + m * row + u * block + g * lanes`.
template <class Scalar>
struct SumsAt {
  Scalar* to;
  std::int64_t row, block;
};

// Room for the sums of one tile, for those who go on with them: [block][row][vector][lanes].
template <class Scalar>
class TileSums {
  static constexpr int V = lanes<Scalar>;

 public:
  TileSums(TileSize size, int vectors) : size_(size), vectors_(vectors) {}
  SumsAt<Scalar> all() { return {sums_, vectors_ * V, size_.rows * vectors_ * V}; }
  void clear() {
    std::memset(sums_, 0,
                sizeof(Scalar) * static_cast<std::size_t>(V) *
                    static_cast<std::size_t>(size_.rows * size_.blocks * vectors_));
  }
  // The vectors of row m and block u.
  const Scalar* at(int m, int u) const { return sums_ + (u * size_.rows + m) * vectors_ * V; }

 private:
  alignas(64) Scalar sums_[kTileVectors * V];
  TileSize size_;
  int vectors_;
};

// sums = start + rows times panels [block][k][vector][lanes].
template <class Scalar>
struct PanelTile {
  const Scalar* const* left;  // a row of K numbers for each of the tile
  std::int64_t K;
  const Scalar* panels;  // of all blocks
  std::int64_t block;    // the first one
  Prefetch prefetch;
  // Vector g of block u starts from start[u * start_block + g * lanes]; null: from zero.
  const Scalar* start = nullptr;
  std::int64_t start_block = 0;
};

// acc += rows times panels, for a caller who goes on with the sums in registers.
template <class Scalar, int MR, int U, int G>
RNNFAST_INLINE void accumulate_panels(Tile<Scalar, MR, U, G>& acc, const PanelTile<Scalar>& tile) {
  constexpr int width = G * lanes<Scalar>;
  Rows<Scalar, MR> left;
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) left.row[m] = tile.left[m];
  const std::int64_t size = tile.K * width;  // of a block's panel
  const Scalar* right[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) right[u] = tile.panels + (tile.block + u) * size;
  constexpr std::int64_t bytes = U * static_cast<std::int64_t>(sizeof(Scalar));
  Prefetcher prefetcher(tile.panels + tile.prefetch.next * size, bytes * size, tile.prefetch,
                        tile.K);
  accumulate_rows<Scalar, MR, U, G>(acc, left, right, width, tile.K, prefetcher);
}

// sums = rows that lie in pieces, times panels [block][piece][k < width][lanes].
template <class Scalar>
struct PiecesTile {
  const Scalar* left;  // piece i of row m at left + i * piece + m * row
  std::int64_t piece, row;
  std::int64_t pieces, width;  // numbers in a piece
  std::int64_t chain;          // pieces in one chain of additions
  const Scalar* panels;
  std::int64_t block;
  Prefetch prefetch;
};

template <class Scalar>
using PanelFunction = void (*)(const PanelTile<Scalar>&, const SumsAt<Scalar>&);
template <class Scalar>
using PiecesFunction = void (*)(const PiecesTile<Scalar>&, const SumsAt<Scalar>&);

constexpr int kMostRows = tile_rows(1), kMostBlocks = tile_shape(1).wide;
template <class F>
using ByRows = std::array<F, kMostRows>;
template <class F>
using BySize = std::array<ByRows<F>, kMostBlocks>;

// The function for each size of tile, [blocks - 1][rows - 1], or null; of panels for each number of
// vectors.
template <class Scalar>
struct TileFunctions {
  static const std::array<BySize<PanelFunction<Scalar>>, 4> panels;
  static const BySize<PiecesFunction<Scalar>> pieces;
};
extern template struct TileFunctions<float>;
extern template struct TileFunctions<double>;

// For tiles of `tile_shape(vectors)`: so many rows and blocks, or fewer, or one row and `wide`
// blocks; blocks halved in turn. Of a single block, `tile_rows(vectors)` rows.
template <class Scalar>
RNNFAST_INLINE void multiply_tile(int vectors, TileSize size, const PanelTile<Scalar>& tile,
                                  const SumsAt<Scalar>& sums) {
  TileFunctions<Scalar>::panels[vectors - 1][size.blocks - 1][size.rows - 1](tile, sums);
}
// For tiles of `tile_shape(1)`.
template <class Scalar>
RNNFAST_INLINE void multiply_tile(TileSize size, const PiecesTile<Scalar>& tile,
                                  const SumsAt<Scalar>& sums) {
  TileFunctions<Scalar>::pieces[size.blocks - 1][size.rows - 1](tile, sums);
}

}  // namespace rnnfast
