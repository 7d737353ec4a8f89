#include "kernels/gemm/panel_tiles.h"

#include <utility>

namespace rnnfast {

namespace {

template <class Scalar, int MR, int U, int G>
RNNFAST_INLINE void store_sums(const Tile<Scalar, MR, U, G>& acc, const SumsAt<Scalar>& sums) {
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g)
        store(sums.to + m * sums.row + u * sums.block + g * lanes<Scalar>, acc[m][u][g]);
}

template <class Scalar, int G, int U, int MR>
void panel_tile(const PanelTile<Scalar>& tile, const SumsAt<Scalar>& sums) {
  constexpr int V = lanes<Scalar>;
  Tile<Scalar, MR, U, G> acc;
  if (tile.start == nullptr) {
    clear<Scalar, MR, U, G>(acc);
  } else {
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) {
        const Vec<Scalar> start = load(tile.start + u * tile.start_block + g * V);
#pragma GCC unroll 16
        for (int m = 0; m < MR; ++m) acc[m][u][g] = start;
      }
  }
  accumulate_panels<Scalar, MR, U, G>(acc, tile);
  store_sums<Scalar, MR, U, G>(acc, sums);
}

template <class Scalar, int U, int MR>
void pieces_tile(const PiecesTile<Scalar>& tile, const SumsAt<Scalar>& sums) {
  constexpr int V = lanes<Scalar>;
  Tile<Scalar, MR, U, 1> acc;
  clear<Scalar, MR, U, 1>(acc);
  const std::int64_t size = tile.pieces * tile.width * V;  // of a block's panels
  constexpr std::int64_t bytes = U * static_cast<std::int64_t>(sizeof(Scalar));
  Prefetcher prefetcher(tile.panels + tile.prefetch.next * size, bytes * size, tile.prefetch,
                        tile.pieces * tile.width);
  Total<Scalar, MR, U, 1> total;
  for (std::int64_t piece = 0; piece < tile.pieces; ++piece) {
    if (piece > 0 && piece % tile.chain == 0) total.absorb(acc);
    Rows<Scalar, MR> left;
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) left.row[m] = tile.left + piece * tile.piece + m * tile.row;
    const Scalar* right[U];
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
      right[u] = tile.panels + (tile.block + u) * size + piece * tile.width * V;
    accumulate<Scalar, MR, U, 1>(acc, left, right, V, tile.width, prefetcher);
  }
  total.give(acc);
  store_sums<Scalar, MR, U, 1>(acc, sums);
}

// The rows that a tile with so many blocks of so many vectors may have.
constexpr int most_rows(int vectors, int blocks) {
  const TileShape shape = tile_shape(vectors);
  if (blocks == 1) return tile_rows(vectors);
  if (in_groups(shape.blocks, blocks)) return shape.rows;
  return in_groups(shape.wide, blocks) ? 1 : 0;
}

template <class Scalar, int G, int U, int MR>
constexpr PanelFunction<Scalar> panel_function() {
  if constexpr (MR <= most_rows(G, U))
    return panel_tile<Scalar, G, U, MR>;
  else
    return nullptr;
}
template <class Scalar, int U, int MR>
constexpr PiecesFunction<Scalar> pieces_function() {
  if constexpr (MR <= std::min(most_rows(1, U), tile_shape(1).rows))
    return pieces_tile<Scalar, U, MR>;
  else
    return nullptr;
}

template <class Scalar, int G, int U, int... Row>
constexpr ByRows<PanelFunction<Scalar>> panel_functions(std::integer_sequence<int, Row...>) {
  return {panel_function<Scalar, G, U, Row + 1>()...};
}
template <class Scalar, int U, int... Row>
constexpr ByRows<PiecesFunction<Scalar>> pieces_functions(std::integer_sequence<int, Row...>) {
  return {pieces_function<Scalar, U, Row + 1>()...};
}
constexpr auto kRows = std::make_integer_sequence<int, kMostRows>();
constexpr auto kBlocks = std::make_integer_sequence<int, kMostBlocks>();

template <class Scalar, int G, int... Block>
constexpr BySize<PanelFunction<Scalar>> panel_functions_of(std::integer_sequence<int, Block...>) {
  return {panel_functions<Scalar, G, Block + 1>(kRows)...};
}
template <class Scalar, int... Block>
constexpr BySize<PiecesFunction<Scalar>> pieces_functions_of(std::integer_sequence<int, Block...>) {
  return {pieces_functions<Scalar, Block + 1>(kRows)...};
}

}  // namespace

template <class Scalar>
const std::array<BySize<PanelFunction<Scalar>>, 4> TileFunctions<Scalar>::panels = {
    panel_functions_of<Scalar, 1>(kBlocks), panel_functions_of<Scalar, 2>(kBlocks),
    panel_functions_of<Scalar, 3>(kBlocks), panel_functions_of<Scalar, 4>(kBlocks)};
template <class Scalar>
const BySize<PiecesFunction<Scalar>> TileFunctions<Scalar>::pieces =
    pieces_functions_of<Scalar>(kBlocks);

template struct TileFunctions<float>;
template struct TileFunctions<double>;

}  // namespace rnnfast
