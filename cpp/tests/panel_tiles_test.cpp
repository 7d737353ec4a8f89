// The compiled tiles against the plain triple loop: every size that callers ask for, sums wherever
// they are wanted and nowhere else.
#include "kernels/gemm/panel_tiles.h"

#include <gtest/gtest.h>

#include "tests/numbers.h"

namespace rnnfast {
namespace {

// Calls f for every size of tile that a product of panels with so many vectors is cut into.
template <class F>
void for_sizes(int vectors, const F& f) {
  const TileShape shape = tile_shape(vectors);
  for (int blocks = 1; blocks <= kMostBlocks; ++blocks) {
    const int rows = in_groups(shape.blocks, blocks) ? shape.rows
                     : in_groups(shape.wide, blocks) ? 1
                                                     : 0;
    for (int height = 1; height <= rows; ++height) f(TileSize{height, blocks});
  }
  // What is left of a layer's units, side by side in one panel.
  for (int height = shape.rows + 1; height <= tile_rows(vectors); ++height) f(TileSize{height, 1});
}

// A place for sums with gaps between rows and blocks, which have to stay as they are.
template <class Scalar>
struct Target {
  static constexpr int V = lanes<Scalar>;
  static constexpr Scalar kUntouched = 12345;

  Target(TileSize size, int vectors)
      : count(vectors * V),
        row(count + V),
        block(size.rows * row + V),
        numbers(static_cast<std::size_t>(size.blocks * block), kUntouched) {}

  SumsAt<Scalar> at() { return {numbers.data(), row, block}; }

  template <class F>
  void expect(TileSize size, const F& sum) const {
    std::vector<Scalar> wanted(numbers.size(), kUntouched);
    for (int u = 0; u < size.blocks; ++u)
      for (int m = 0; m < size.rows; ++m)
        for (std::int64_t n = 0; n < count; ++n)
          wanted[static_cast<std::size_t>(u * block + m * row + n)] = sum(m, u, n);
    EXPECT_EQ(numbers, wanted) << size.rows << " rows, " << size.blocks << " blocks, " << count / V
                               << " vectors";
  }

  std::int64_t count, row, block;
  std::vector<Scalar> numbers;
};

template <class Scalar>
struct PanelTilesTest : testing::Test {
  static constexpr int V = lanes<Scalar>;
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PanelTilesTest, Scalars);

TYPED_TEST(PanelTilesTest, RowsTimesPanels) {
  using Scalar = TypeParam;
  constexpr int V = lanes<Scalar>;
  for (int vectors = 1; vectors <= 4; ++vectors)
    for_sizes(vectors, [&](TileSize size) {
      for (const std::int64_t K : {1, 33, 257})
        for (const bool from_start : {false, true}) {
          const std::int64_t first = 2, width = vectors * V, slots = width + V;
          const auto left = whole_numbers<Scalar>(size.rows * K, 1);
          const auto panels =
              whole_numbers<Scalar>((first + size.blocks) * (K + kFetchedSteps) * width, 2);
          const auto start = whole_numbers<Scalar>(size.blocks * slots, 3);
          std::vector<const Scalar*> rows;
          for (int m = 0; m < size.rows; ++m) rows.push_back(left.data() + m * K);
          Target<Scalar> target(size, vectors);
          const PanelTile<Scalar> tile{
              rows.data(), K, panels.data(), first, {}, from_start ? start.data() : nullptr, slots};
          multiply_tile(vectors, size, tile, target.at());
          target.expect(size, [&](int m, int u, std::int64_t n) {
            Scalar sum = from_start ? start[static_cast<std::size_t>(u * slots + n)] : Scalar(0);
            for (std::int64_t k = 0; k < K; ++k)
              sum += rows[static_cast<std::size_t>(m)][k] *
                     panels[static_cast<std::size_t>(((first + u) * K + k) * width + n)];
            return sum;
          });
        }
    });
}

TYPED_TEST(PanelTilesTest, RowsInPiecesTimesPanels) {
  using Scalar = TypeParam;
  constexpr int V = lanes<Scalar>;
  const TileShape shape = tile_shape(1);
  for_sizes(1, [&](TileSize size) {
    if (size.rows > shape.rows) return;
    for (const std::int64_t pieces : {1, 2, 7})
      for (const std::int64_t chain : {1, 3, 100}) {
        const std::int64_t width = 2 * V, row = width + V, piece = size.rows * row, first = 1;
        const auto left = whole_numbers<Scalar>(pieces * piece, 1);
        const auto panels =
            whole_numbers<Scalar>(((first + size.blocks) * pieces * width + kFetchedSteps) * V, 2);
        Target<Scalar> target(size, 1);
        const PiecesTile<Scalar> tile{left.data(), piece,         row,   pieces, width,
                                      chain,       panels.data(), first, {}};
        multiply_tile(size, tile, target.at());
        target.expect(size, [&](int m, int u, std::int64_t n) {
          Scalar sum = 0;
          for (std::int64_t i = 0; i < pieces; ++i)
            for (std::int64_t k = 0; k < width; ++k)
              sum += left[static_cast<std::size_t>(i * piece + m * row + k)] *
                     panels[static_cast<std::size_t>(
                         ((first + u) * pieces * width + i * width + k) * V + n)];
          return sum;
        });
      }
  });
}

TYPED_TEST(PanelTilesTest, SumsOfATileStandBlockByBlock) {
  using Scalar = TypeParam;
  TileSums<Scalar> sums({2, 3}, 2);
  sums.clear();
  const SumsAt<Scalar> all = sums.all();
  for (int u = 0; u < 3; ++u)
    for (int m = 0; m < 2; ++m) {
      EXPECT_EQ(sums.at(m, u), all.to + m * all.row + u * all.block);
      for (int i = 0; i < 2 * lanes<Scalar>; ++i) EXPECT_EQ(sums.at(m, u)[i], Scalar(0));
    }
}

}  // namespace
}  // namespace rnnfast
