// How products are cut in tiles: all rows of all blocks, each once, in sizes that are compiled.
#include "kernels/rnn/layer_pass.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace rnnfast {
namespace {

template <class Scalar>
bool is_compiled(int vectors, TileSize size) {
  const auto block = static_cast<std::size_t>(size.blocks - 1);
  const auto row = static_cast<std::size_t>(size.rows - 1);
  if (block >= kMostBlocks || row >= kMostRows) return false;
  const auto panels = TileFunctions<Scalar>::panels[static_cast<std::size_t>(vectors - 1)];
  return panels[block][row] != nullptr;
}
template <class Scalar>
bool is_compiled_in_pieces(TileSize size) {
  const auto block = static_cast<std::size_t>(size.blocks - 1);
  const auto row = static_cast<std::size_t>(size.rows - 1);
  return block < kMostBlocks && row < kMostRows &&
         TileFunctions<Scalar>::pieces[block][row] != nullptr;
}

void expect_tile(int vectors, TileSize size) {
  SCOPED_TRACE(testing::Message() << vectors << " vectors, " << size.blocks << " blocks, "
                                  << size.rows << " rows");
  EXPECT_TRUE(is_compiled<float>(vectors, size) && is_compiled<double>(vectors, size));
  EXPECT_LE(vectors * size.blocks * size.rows, kTileVectors);
}

// Calls f(batch, rows) for steps of batches, also ragged ones.
template <class F>
void for_steps(const F& f) {
  for (const std::int64_t batch : {1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 40})
    for (const std::int64_t active : {std::int64_t{0}, std::int64_t{1}, batch / 2, batch})
      for (const std::int64_t begin : {std::int64_t{0}, active / 2}) f(batch, Range{begin, active});
}

// Threads that own blocks, and such that own rows, before, in and beyond those of a step.
std::vector<Worker> workers(std::int64_t batch) {
  std::vector<Worker> all(1);
  for (const Range rows : {Range{0, batch / 2}, Range{batch / 3, batch}, Range{batch, batch}}) {
    Worker worker;
    worker.split_rows = true;
    worker.rows = rows;
    all.push_back(worker);
  }
  return all;
}

TEST(Tiles, EveryRowOfEveryBlockOnceInSizesThatAreCompiled) {
  for (int vectors = 1; vectors <= 4; ++vectors)
    for (const bool down : {false, true})
      for (std::int64_t count = 0; count <= 12; ++count)
        for_steps([&](std::int64_t batch, Range rows) {
          for (const Worker& worker : workers(batch)) {
            const Range blocks{5, 5 + count}, mine = worker.my_rows(rows);
            std::map<std::pair<std::int64_t, std::int64_t>, int> visits;
            for_tiles(tile_shape(vectors), worker, blocks, rows, batch, down,
                      [&](std::int64_t block, std::int64_t row, TileSize size, const Prefetch&) {
                        expect_tile(vectors, size);
                        if (vectors == 1) {
                          EXPECT_TRUE(is_compiled_in_pieces<float>(size));
                          EXPECT_TRUE(is_compiled_in_pieces<double>(size));
                        }
                        for (int u = 0; u < size.blocks; ++u)
                          for (int m = 0; m < size.rows; ++m) ++visits[{block + u, row + m}];
                      });
            std::map<std::pair<std::int64_t, std::int64_t>, int> wanted;
            for (std::int64_t block = blocks.begin; block < blocks.end; ++block)
              for (std::int64_t row = mine.begin; row < mine.end; ++row) wanted[{block, row}] = 1;
            ASSERT_EQ(visits, wanted);
          }
        });
}

TEST(Tiles, RowsOfASinglePanelAreCompiled) {
  for (int vectors = 1; vectors <= 3; ++vectors)
    for (std::int64_t rows = 0; rows <= 40; ++rows) {
      std::int64_t at = 7;
      for_row_tiles(tile_rows(vectors), {7, 7 + rows}, 0,
                    [&](std::int64_t row, int height, const Prefetch&) {
                      EXPECT_EQ(row, at);
                      at += height;
                      expect_tile(vectors, {height, 1});
                    });
      EXPECT_EQ(at, 7 + rows);
    }
}

TEST(Tiles, EachGroupOfBlocksTellsTheNext) {
  for (const int size : {1, 2, 3, 4, 8})
    for (const bool down : {false, true})
      for (std::int64_t count = 0; count <= 18; ++count) {
        const std::int64_t first = 5, after = 99;
        std::int64_t expected = after, visited = 0;
        for_block_groups(size, {first, first + count}, down, after,
                         [&](std::int64_t block, int group, std::int64_t next) {
                           EXPECT_TRUE(in_groups(size, group));
                           EXPECT_TRUE(visited == 0 || block == expected) << block;
                           expected = next;
                           visited += group;
                         });
        EXPECT_EQ(visited, count);
        EXPECT_EQ(expected, after);
      }
}

}  // namespace
}  // namespace rnnfast
