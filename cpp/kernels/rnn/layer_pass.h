// One layer in one direction during one pass: what the time loops read and write.
#pragma once

#include "kernels/gemm/panel_tiles.h"
#include "kernels/gemm/tiling.h"
#include "kernels/gemm/transposed.h"
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
  Transposed<Scalar> transposed;  // on the way back
  bool keep;                      // training: everything that backpropagation needs stays

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
  // What enters a block's last slot past the products, of a layer with a highway.
  Vec<Scalar> highway_at(std::int64_t row, std::int64_t block) const {
    constexpr int V = lanes<Scalar>;
    const std::int64_t column = block * V, count = weights->H - column;
    const std::int64_t first = weights->highway + column;
    const Scalar scale = weights->highway_scale;
    if (index == nullptr) return mul(load_first(x[row] + first, count), broadcast(scale));
    Scalar one_hot[V] = {};
    const std::int64_t lane = index[row] - first;
    if (lane >= 0 && lane < std::min<std::int64_t>(V, count)) one_hot[lane] = scale;
    return load_first(static_cast<const Scalar*>(one_hot), V);
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

// Visits this worker's tiles of one step: f(block, row, tile's size, prefetch), for blocks in
// `blocks` and rows in `rows`.
template <class F>
void for_tiles(TileShape shape, const Worker& worker, Range blocks, Range rows, std::int64_t batch,
               bool down, const F& f) {
  if (rows.begin >= rows.end) return;
  for_block_groups(group_size(shape, batch), blocks, down, continuing_block(blocks, down),
                   [&](std::int64_t block, int group, std::int64_t next) {
                     for_row_tiles(shape.rows, worker.my_rows(rows), next,
                                   [&](std::int64_t row, int height, const Prefetch& prefetch) {
                                     f(block, row, TileSize{height, group}, prefetch);
                                   });
                   });
}

// sums = (rows of what enters a second product, or a projection) times panels.
template <class Scalar>
void inner_product(const LayerPass<Scalar>& p, std::int64_t row, std::int64_t b, TileSize size,
                   const Scalar* panels, std::int64_t block, const Prefetch& prefetch,
                   const SumsAt<Scalar>& sums) {
  const Scalar* left[tile_rows(1)];
  for (int m = 0; m < size.rows; ++m)
    left[m] = p.inner + p.inner_row(row + m, b + m) * p.inner_stride;
  multiply_tile<Scalar>(1, size, {left, p.weights->H, panels, block, prefetch}, sums);
}

// sums = (slots [slot, slot + width / V) of all units, in rows from `row` on) times the panels
// [block][unit block][k < width][V].
template <class Scalar>
void slots_product(const LayerPass<Scalar>& p, std::int64_t row, int slot, std::int64_t width,
                   TileSize size, const Scalar* panels, std::int64_t block,
                   const Prefetch& prefetch, const SumsAt<Scalar>& sums) {
  const std::int64_t slots = p.weights->cell.slots * lanes<Scalar>;
  // A chain covers whole blocks, and about half the longest: gates differ in size.
  const std::int64_t chain = std::max<std::int64_t>(1, kLongestChain / 2 / width);
  multiply_tile<Scalar>(size,
                        {p.workspace_at(0, row) + slot * lanes<Scalar>, p.workspace_rows * slots,
                         slots, p.weights->units, width, chain, panels, block, prefetch},
                        sums);
}

}  // namespace rnnfast
