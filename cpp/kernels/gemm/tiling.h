// How the rows and the blocks of a product are cut in tiles, and in which order they are visited.
#pragma once

#include "kernels/gemm/tile.h"
#include "kernels/threads/team.h"

namespace rnnfast {

// Cuts rows [begin, end) in tiles of nearly the same height, `most` at most, of blocks that `next`
// follows: f(first row, rows, prefetch).
template <class F>
RNNFAST_INLINE void for_row_tiles(int most, Range range, std::int64_t next, const F& f) {
  const std::int64_t n = range.end - range.begin, tiles = (n + most - 1) / most;
  std::int64_t row = range.begin;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t end = range.begin + n * (t + 1) / tiles;
    f(row, static_cast<int>(end - row), Prefetch{t, tiles, next});
    row = end;
  }
}

// n mod the size of a group, which is a power of two, or three.
inline std::int64_t beyond_groups(std::int64_t n, int size) {
  return size == 3 ? n % 3 : n & (size - 1);
}

// Visits blocks in groups of `size`, the rest in groups half as large and so on, up or down,
// `after` being the block that is read next: f(block, size, next block).
template <class F>
RNNFAST_INLINE void for_block_groups(int size, Range range, bool down, std::int64_t after,
                                     const F& f) {
  const auto last_group = [&](std::int64_t end) {
    int last = size;
    while (beyond_groups(end - range.begin, last) != 0) last /= 2;
    return last;
  };
  for (Range left = range; left.begin < left.end;) {
    if (down) {
      const int group = last_group(left.end);
      left.end -= group;
      f(left.end, group, left.end > range.begin ? left.end - last_group(left.end) : after);
    } else {
      while (left.begin + size > left.end) size /= 2;
      const std::int64_t block = left.begin;
      left.begin += size;
      f(block, size, left.begin < left.end ? left.begin : after);
    }
  }
}

// Where a way through blocks that turns at its end goes on.
inline std::int64_t continuing_block(Range blocks, bool down) {
  return down ? blocks.begin : blocks.end - 1;
}

// Groups of blocks that suit a product of a shape with a batch of so many rows.
inline int group_size(TileShape shape, std::int64_t batch) {
  return batch == 1 ? shape.wide : shape.blocks;
}

}  // namespace rnnfast
