// One layer in one direction during one pass: what the time loops read and write.
#pragma once

#include <type_traits>

#include "kernels/gemm/pack.h"
#include "kernels/gemm/tile.h"
#include "kernels/rnn/schedule.h"
#include "kernels/threads/team.h"

namespace rnnfast {

// Rows of a chunk of steps in the forward pass: enough to read W_ih rarely, few enough for their
// slots to stay in cache.
constexpr std::int64_t kChunkRows = 96;

// Told of each part of a layer's pass before it begins and after it ends, so that layers can follow
// each other side by side. Parts are ranges of steps.
class PartObserver {
 public:
  explicit PartObserver(std::int64_t rows) : rows_(rows) {}
  virtual void before(Range steps) = 0;
  virtual void after(Range steps) = 0;
  // Rows that a part may have; it has one step at least.
  std::int64_t rows() const { return rows_; }

 protected:
  ~PartObserver() = default;

 private:
  std::int64_t rows_;
};

// What zoneout and dropout of the candidate read for one row and block.
template <class Scalar>
struct Noise {
  Vec<Scalar> keep_h, keep_c, drop, h_before;
};

template <class Scalar>
struct LayerPass {
  const Schedule* schedule;
  const PackedLayer<Scalar>* weights;
  bool keep;  // training: everything that backpropagation needs stays

  // Per row of the schedule.
  const Scalar* const* x;          // input rows (I), or null if indices are given
  const std::int64_t* index;       // input indices, or null
  const Scalar* const* h_prev;     // h<t-1> (P)
  Scalar* const* y;                // where h<t> goes (P)
  const std::uint8_t* reset_mask;  // 1: no state comes in from the step before; null: never

  // The slots of a step, [unit block][row][slot][V]: all rows if kept, else those of a chunk of
  // steps.
  Scalar* workspace;
  std::int64_t workspace_rows;  // rows per unit block
  bool two_chunks = false;      // whether there is room for two chunks
  // The carry, [unit block][row][V]: if kept, B rows of the initial one and then all rows; else B
  // rows that are overwritten step by step.
  Scalar* carry;
  std::int64_t carry_rows;
  // What enters a second product, (rows, H): r h<t-1> of the GRU that resets before the product,
  // or o tanh(c) of a layer with a projection. All rows if kept, else B.
  Scalar* inner;
  std::int64_t inner_stride;
  PartObserver* observer = nullptr;  // or null
  bool down = false;  // whether the first step goes through its blocks from the last one on
  // Of noisy cells, (steps, B, H) each: SequenceInput. Null: the rates, and 1.
  const Scalar *keep_h, *keep_c, *drop;
  Scalar rate_h, rate_c;
  Scalar* slopes;  // (rows, norms), kept by cells with norms

  // Steps go through the blocks up and down by turns: what is read last of weights that do not fit
  // a cache, L1 or L2, is still there for the next step.
  bool goes_down(std::int64_t s) const { return down != ((s & 1) != 0); }

  std::int64_t workspace_row(std::int64_t row, std::int64_t first_row) const {
    return keep ? row : row - first_row;
  }
  std::int64_t inner_row(std::int64_t row, std::int64_t b) const { return keep ? row : b; }
  std::int64_t carry_row(std::int64_t s, std::int64_t b) const {  // after step s; -1: before all
    if (!keep) return b;
    return s < 0 ? b : schedule->B + schedule->first[s] + b;
  }

  // Whether a block is the last one and has a product of its own, of so many vectors.
  bool in_remainder(std::int64_t block, int vectors) const {
    return vectors > 0 && block + 1 == weights->units;
  }
  Scalar* workspace_at(std::int64_t block, std::int64_t row) const {
    return workspace + (block * workspace_rows + row) * weights->cell.slots * lanes<Scalar>;
  }
  Scalar* carry_at(std::int64_t block, std::int64_t row) const {
    return carry + (block * carry_rows + row) * lanes<Scalar>;
  }

  bool is_reset(std::int64_t row) const { return reset_mask != nullptr && reset_mask[row] != 0; }
  // The carry that enters step s of sequence b.
  RNNFAST_INLINE Vec<Scalar> previous_carry(std::int64_t row, std::int64_t block, std::int64_t s,
                                            std::int64_t b) const {
    if (is_reset(row)) return zeros<Scalar>();
    return load(static_cast<const Scalar*>(carry_at(block, carry_row(s - 1, b))));
  }
  RNNFAST_INLINE Noise<Scalar> noise_at(std::int64_t row, std::int64_t s, std::int64_t b,
                                        std::int64_t block) const {
    const std::int64_t column = block * lanes<Scalar>, count = weights->H - column;
    const std::int64_t at = (s * schedule->B + b) * weights->H + column;
    const auto get = [&](const Scalar* from, Scalar otherwise) {
      return from == nullptr ? broadcast(otherwise) : load_first(from + at, count);
    };
    return {get(keep_h, rate_h), get(keep_c, rate_c), get(drop, 1),
            load_first(h_prev[row] + column, count)};
  }
};

// Cuts rows [begin, end) in tiles of nearly the same height, of blocks that `next` follows: f(first
// row, integral_constant rows, prefetch).
template <int Max, class F>
RNNFAST_INLINE void for_row_tiles(Range range, std::int64_t next, const F& f) {
  const std::int64_t n = range.end - range.begin, tiles = (n + Max - 1) / Max;
  std::int64_t row = range.begin;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t end = range.begin + n * (t + 1) / tiles;
    with_rows<Max>(static_cast<int>(end - row),
                   [&](auto rows) { f(row, rows, Prefetch{t, tiles, next}); });
    row = end;
  }
}

// Visits the tiles of the rows [begin, end) of a step that fall to this worker.
template <int Max, class F>
RNNFAST_INLINE void for_row_tiles(const Worker& worker, Range range, std::int64_t next,
                                  const F& f) {
  for_row_tiles<Max>(worker.my_rows(range), next, f);
}

// Visits blocks in groups of U, the rest in smaller ones, up or down, `after` being the block that
// is read next: f(block, integral_constant size, next block).
template <int U, class F>
void for_block_groups(Range range, bool down, std::int64_t after, const F& f) {
  const Range rest{range.end - (range.end - range.begin) % U, range.end};
  const auto visit_rest = [&](std::int64_t then) {
    if constexpr (U > 1) {
      if (rest.begin < rest.end) for_block_groups<U / 2>(rest, down, then, f);
    }
  };
  constexpr std::integral_constant<int, U> size;
  if (down) {
    visit_rest(range.begin < rest.begin ? rest.begin - U : after);
    for (std::int64_t block = rest.begin - U; block >= range.begin; block -= U)
      f(block, size, block > range.begin ? block - U : after);
  } else {
    for (std::int64_t block = range.begin; block < rest.begin; block += U)
      f(block, size, block + U < range.end ? block + U : after);
    visit_rest(after);
  }
}

// The same in the groups that suit a product of a Shape: f(integral_constant whether there is but
// one row, block, integral_constant size, next block).
template <class Shape, class F>
void for_groups(Range blocks, std::int64_t rows, bool down, std::int64_t after, const F& f) {
  if (rows == 1)
    for_block_groups<Shape::wide>(blocks, down, after, [&](auto block, auto size, auto next) {
      f(std::true_type(), block, size, next);
    });
  else
    for_block_groups<Shape::blocks>(blocks, down, after, [&](auto block, auto size, auto next) {
      f(std::false_type(), block, size, next);
    });
}

// Where a way through blocks that turns at its end goes on.
inline std::int64_t continuing_block(Range blocks, bool down) {
  return down ? blocks.begin : blocks.end - 1;
}

// Visits this worker's tiles of one step for some blocks: f(row, integral_constant rows, prefetch).
template <class Shape, bool single, class F>
RNNFAST_INLINE void for_step_rows(std::bool_constant<single>, const Worker& worker, Range rows,
                                  std::int64_t next, const F& f) {
  if constexpr (!single)
    for_row_tiles<Shape::rows>(worker, rows, next, f);
  else if (rows.begin < rows.end)
    f(rows.begin, std::integral_constant<int, 1>(), Prefetch{0, 1, next});
}

// Visits this worker's tiles of one step: f(block, integral_constant blocks, row,
// integral_constant rows, prefetch), for blocks in `blocks` and rows in `rows`.
template <class Shape, class F>
void for_tiles(const Worker& worker, Range blocks, Range rows, std::int64_t batch, bool down,
               const F& f) {
  if (rows.begin >= rows.end) return;
  for_groups<Shape>(blocks, batch, down, continuing_block(blocks, down),
                    [&](auto single, std::int64_t block, auto count, std::int64_t next) {
                      for_step_rows<Shape>(
                          single, worker, rows, next,
                          [&](std::int64_t row, auto height, const Prefetch& prefetch) {
                            f(block, count, row, height, prefetch);
                          });
                    });
}

// acc += A W for weight panels [block][k][G][V]: rows at `left`, U blocks from `block` on.
template <class Scalar, int MR, int U, int G>
RNNFAST_INLINE void accumulate_panels(Tile<Scalar, MR, U, G>& acc, const Rows<Scalar, MR>& left,
                                      const Scalar* panels, std::int64_t K, std::int64_t block,
                                      const Prefetch& prefetch) {
  constexpr int width = G * lanes<Scalar>;
  const Scalar* right[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) right[u] = panels + (block + u) * K * width;
  constexpr std::int64_t bytes = U * width * static_cast<std::int64_t>(sizeof(Scalar));
  Prefetcher prefetcher(panels + prefetch.next * K * width, bytes * K, prefetch, K);
  accumulate_rows<Scalar, MR, U, G>(acc, left, right, width, K, prefetcher);
}

// Rows of what enters a second product.
template <class Scalar, int MR>
RNNFAST_INLINE Rows<Scalar, MR> inner_rows(const LayerPass<Scalar>& p, std::int64_t row,
                                           std::int64_t b) {
  Rows<Scalar, MR> left;
  for (int m = 0; m < MR; ++m) left.row[m] = p.inner + p.inner_row(row + m, b + m) * p.inner_stride;
  return left;
}

// acc += (slots [slot, slot + width / V) of all units, in rows from `row` on) times the panels
// [block][unit block][k < width][V].
template <class Scalar, int MR, int U>
RNNFAST_INLINE void accumulate_slots(Tile<Scalar, MR, U, 1>& acc, const LayerPass<Scalar>& p,
                                     std::int64_t row, int slot, std::int64_t width,
                                     const Scalar* panels, std::int64_t block,
                                     const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t units = p.weights->units;
  // A part covers whole blocks, and about half the longest chain: gates differ in size.
  const std::int64_t part = std::max<std::int64_t>(1, kLongestChain / 2 / width);
  const std::int64_t size = units * width * V;  // of a block's panels
  constexpr std::int64_t bytes = U * static_cast<std::int64_t>(sizeof(Scalar));
  Prefetcher prefetcher(panels + prefetch.next * size, bytes * size, prefetch, units * width);
  Total<Scalar, MR, U, 1> total;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    if (unit > 0 && unit % part == 0) total.absorb(acc);
    Rows<Scalar, MR> left;
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) left.row[m] = p.workspace_at(unit, row + m) + slot * V;
    const Scalar* right[U];
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) right[u] = panels + ((block + u) * units + unit) * width * V;
    accumulate<Scalar, MR, U, 1>(acc, left, right, V, width, prefetcher);
  }
  total.give(acc);
}

}  // namespace rnnfast
