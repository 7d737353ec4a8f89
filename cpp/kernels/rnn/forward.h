// Forward over time, written once for every cell.
//
// Per chunk of steps: the input's product for all its rows at once, then step by step the
// recurrent product, a tile at a time, and the cell's pointwise part on the tile's sums. A product
// with a few features only is made where its sums are used. A cell without a recurrent product goes
// block by block through the chunk: no unit waits for another.
#pragma once

#include "kernels/core/cache.h"
#include "kernels/rnn/layer_pass.h"
#include "kernels/rnn/products.h"
#include "kernels/rnn/remainder.h"
#include "kernels/rnn/row_phase.h"

namespace rnnfast {

template <class Scalar, class Cell>
class ForwardLayer {
  static constexpr int V = lanes<Scalar>;
  static constexpr const CellDescriptor& cell = Cell::descriptor;
  static constexpr TileShape kRecurrent = tile_shape(cell.h_count);
  // Features whose product costs less than to write its sums of several gates and to read them.
  static constexpr std::int64_t kNarrow = 4;
  static constexpr bool may_be_narrow = cell.x_count >= 3 && cell.recurrent_product() &&
                                        !cell.normalised() && !cell.second_product() &&
                                        !cell.noisy && !cell.general();

 public:
  ForwardLayer(const LayerPass<Scalar>& pass, const Worker& worker)
      : p_(pass),
        w_(*pass.weights),
        worker_(worker),
        blocks_(worker.my_blocks(w_.units)),
        narrow_(may_be_narrow && pass.index == nullptr && w_.I <= kNarrow && w_.x_remainder == 0 &&
                w_.h_remainder == 0),
        long_way_(step_bytes() > core_cache_bytes() / 8 * 5),
        early_(cell.recurrent_product() && !narrow_ && worker.waits() && pass.observer == nullptr &&
               (pass.keep || pass.two_chunks)) {}

  void run() {
    const std::int64_t steps = p_.schedule->steps;
    const auto chunk_from = [&](std::int64_t begin) {
      return Range{begin, begin < steps ? chunk_end(begin) : begin};
    };
    bool made = false;  // the chunk's input product, early
    for (Range chunk = chunk_from(0); chunk.begin < steps;) {
      const Range next = chunk_from(chunk.end);
      if (p_.observer != nullptr) p_.observer->before(chunk);
      chunk_ = chunk.begin;
      const bool with_input = together(chunk);
      if (!with_input && !made && !narrow_)
        input_product(p_, worker_, blocks_, false, blocks_.begin, chunk, place_);
      made = early_ && next.begin < next.end && !together(next);
      if constexpr (cell.recurrent_product())
        for (std::int64_t s = chunk.begin; s < chunk.end; ++s)
          step(s, with_input, [&] {
            if (made) next_input_product(next, s - chunk.begin, chunk.end - chunk.begin);
          });
      else
        pointwise(chunk);
      if (p_.observer != nullptr) p_.observer->after(chunk);
      if (made) place_ = next_place();
      chunk = next;
    }
    if constexpr (!cell.recurrent_product()) worker_.step_barrier();  // as each step of others ends
  }

 private:
  // Whether both products of a step are made block by block.
  bool together(Range chunk) const {
    return cell.recurrent_product() && chunk.end - chunk.begin == 1 && long_way_ && !narrow_;
  }

  // Where there are others to wait for after each step, a part of the next chunk's input product
  // is made between the arrival and the wait: none has to be as fast as the others in each step.
  void next_input_product(Range next, std::int64_t step, std::int64_t steps) const {
    const std::int64_t count = blocks_.end - blocks_.begin;
    const Range part{blocks_.begin + count * step / steps,
                     blocks_.begin + count * (step + 1) / steps};
    const std::int64_t after = part.end < blocks_.end ? part.end : blocks_.begin;
    input_product(p_, worker_, part, false, after, next, next_place());
  }
  std::int64_t next_place() const { return place_ == 0 ? chunk_rows(*p_.schedule) : 0; }

  std::int64_t chunk_end(std::int64_t begin) const {
    const Schedule& schedule = *p_.schedule;
    if (worker_.split_rows &&
        !p_.keep)  // as many steps as the workspace has room for: first_workspace_row
      return std::min(schedule.steps,
                      begin + std::max<std::int64_t>(1, chunk_rows(schedule) / schedule.B));
    return rnnfast::chunk_end(schedule, begin,
                              p_.observer != nullptr ? p_.observer->rows() : kChunkRows);
  }

  // The steps of a chunk, whose input product is there, of a cell that has no other.
  void pointwise(Range steps) {
    for (std::int64_t block = blocks_.begin; block < blocks_.end; ++block)
      for (std::int64_t s = steps.begin; s < steps.end; ++s) {
        const Range mine = worker_.my_rows({0, p_.schedule->active[s]});
        for (std::int64_t b = mine.begin; b < mine.end; ++b) {
          const Place at = place(s, block, b);
          const Scalar* slots = at.slots;
          Vec<Scalar> v[cell.slots];
#pragma GCC unroll 8
          for (int slot = 0; slot < cell.slots; ++slot) v[slot] = load(slots + slot * V);
          if constexpr (cell.highway)
            if (w_.highway >= 0) v[cell.slots - 1] = p_.highway_at(at.row, block);
          finish(v, at);
        }
      }
  }

  // Calls meanwhile() before it waits for the others.
  template <class F>
  void step(std::int64_t s, bool with_input, const F& meanwhile) {
    const std::int64_t batch = p_.schedule->B;
    const Range all{0, p_.schedule->active[s]};
    // A single step finds weights that fit the cache in any case, and reads them faster upwards.
    const bool down = (long_way_ || p_.schedule->steps > 1) && p_.goes_down(s);
    for_block_groups(
        group_size(kRecurrent, batch), blocks_, down, continuing_block(blocks_, down),
        [&](std::int64_t block, int group, std::int64_t next) {
          if (with_input)
            input_product(p_, worker_, {block, block + group}, down, next, {s, s + 1}, place_);
          const bool remainder = batch > 1 && p_.in_remainder(block, w_.h_remainder);
          if (remainder) recurrent_remainder(s, block, worker_.my_rows(all));
          for_row_tiles(kRecurrent.rows, worker_.my_rows(all), next,
                        [&](std::int64_t b, int rows, const Prefetch& prefetch) {
                          recurrent_tile(s, block, b, {rows, group}, prefetch, remainder);
                        });
        });
    if constexpr (cell.normalised()) {
      worker_.step_barrier();
      const RowPhase<Scalar, Cell> phase(p_);
      const Range mine = worker_.share_of_rows(all);
      for (std::int64_t b = mine.begin; b < mine.end; ++b)
        phase.forward(s, b, workspace_row(s, p_.schedule->first[s] + b));
    }
    if constexpr (cell.second_product()) {
      worker_.step_barrier();
      for_tiles(tile_shape(1), worker_, blocks_, all, batch, down,
                [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
                  second_tile(s, block, b, size, prefetch);
                });
    }
    if (cell.may_project && w_.projection) {
      worker_.step_barrier();
      projection_product(p_, worker_, s, down);
    }
    if (worker_.waits()) worker_.own->wait(meanwhile);
  }

  // Bytes of the weights that a step reads.
  std::int64_t step_bytes() const {
    const std::int64_t inputs = w_.P + (p_.schedule->steps == 1 ? w_.I : 0);
    return (blocks_.end - blocks_.begin) * V * cell.slots * inputs *
           static_cast<std::int64_t>(sizeof(Scalar));
  }

  std::int64_t workspace_row(std::int64_t s, std::int64_t row) const {
    return p_.workspace_row(row, first_workspace_row(*p_.schedule, worker_, chunk_, s) - place_);
  }

  // The last block's recurrent product where its units are few.
  void recurrent_remainder(std::int64_t s, std::int64_t block, Range rows) const {
    const std::int64_t first = p_.schedule->first[s];
    rows = {first + rows.begin, first + rows.end};
    remainder_recurrent_product(p_, rows, p_.workspace_at(block, workspace_row(s, rows.begin)));
  }

  // One step of some sequences and unit blocks: the recurrent product, unless it is in the slots
  // (`done`), and the pointwise part.
  void recurrent_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                      const Prefetch& prefetch, bool done) {
    constexpr int G = cell.h_count;
    const std::int64_t row = p_.schedule->first[s] + b;
    const PanelTile<Scalar> tile{p_.h_prev + row, w_.P, w_.w_hh, block, prefetch};
    if constexpr (cell.normalised()) {  // the rest waits for all units of the row
      if (!done)
        multiply_tile(G, size, tile,
                      {p_.workspace_at(block, workspace_row(s, row)) + cell.h_first * V,
                       cell.slots * V, p_.workspace_rows * cell.slots * V});
    } else if (p_.schedule->B == 1) {
      with_group<kRecurrent.wide>(
          size.blocks, [&](auto blocks) { single_row<decltype(blocks)::value>(s, tile); });
    } else {
      TileSums<Scalar> sums(size, G);
      if (done)
        sums.clear();
      else
        multiply_tile(G, size, tile, sums.all());
      for (int u = 0; u < size.blocks; ++u) {
        Place at = place(s, block + u, b);
        for (int m = 0; m < size.rows; ++m, at.advance()) {
          const Scalar* sum = sums.at(m, u);
          pointwise(at, done, [sum](int g) { return load(sum + g * V); });
        }
      }
    }
  }

  // The same of the one sequence that there is: no sum leaves its register.
  template <int U>
  void single_row(std::int64_t s, const PanelTile<Scalar>& tile) {
    Tile<Scalar, 1, U, cell.h_count> acc;
    clear<Scalar, 1, U, cell.h_count>(acc);
    accumulate_panels<Scalar, 1, U, cell.h_count>(acc, tile);
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
      pointwise(place(s, tile.block + u, 0), false, [&](int g) { return acc[0][u][g]; });
  }

  // Where a step of one sequence and block reads and writes.
  struct Place {
    std::int64_t s, block, b, row;
    Scalar* slots;
    const Scalar* before = nullptr;  // the carry before the step, of a cell that has one
    Scalar* carry = nullptr;

    // To the next sequence.
    RNNFAST_INLINE void advance() {
      ++b;
      ++row;
      slots += cell.slots * V;
      if constexpr (cell.carries()) {
        before += V;
        carry += V;
      }
    }
  };
  RNNFAST_INLINE Place place(std::int64_t s, std::int64_t block, std::int64_t b) const {
    const std::int64_t row = p_.schedule->first[s] + b;
    Place at{s, block, b, row, p_.workspace_at(block, workspace_row(s, row))};
    if constexpr (cell.carries()) {
      at.before = p_.carry_at(block, p_.carry_row(s - 1, b));
      at.carry = p_.carry_at(block, p_.carry_row(s, b));
    }
    return at;
  }
  RNNFAST_INLINE Vec<Scalar> previous_carry(const Place& at) const {
    return p_.is_reset(at.row) ? zeros<Scalar>() : load(at.before);
  }

  // The pointwise part, given the recurrent product's sums of each of its slots: added to what
  // stands in the slots, or, unless they are `done`, to the bias where no input enters.
  template <class Sum>
  RNNFAST_INLINE void pointwise(const Place& at, bool done, const Sum& sum) {
    const Scalar* bias = done ? at.slots : w_.bias + at.block * cell.slots * V;
    // Two sums, of x's and of h's products, round less than one that runs through both.
    Vec<Scalar> v[cell.slots];
    input(at, v);
#pragma GCC unroll 8
    for (int slot = 0; slot < cell.slots; ++slot) {
      if (slot >= cell.x_count) v[slot] = load(bias + slot * V);
      if (slot >= cell.h_first && slot < cell.h_first + cell.h_count)
        v[slot] = add(v[slot], sum(slot - cell.h_first));
    }
    if constexpr (cell.second_product())
      finish_gates(v, at);
    else
      finish(v, at);
  }

  // The sums of x's product, which stand in the slots, or are made now.
  RNNFAST_INLINE void input(const Place& at, Vec<Scalar> (&v)[cell.slots]) {
    const bool made = !may_be_narrow || !narrow_;
    const Scalar* const sums = made ? at.slots : w_.bias + at.block * cell.slots * V;
#pragma GCC unroll 8
    for (int slot = 0; slot < cell.x_count; ++slot) v[slot] = load(sums + slot * V);
    if (made) return;
    const Scalar* const x = p_.x[at.row];
    const Scalar* panel = w_.w_ih + at.block * w_.I * cell.x_count * V;
    for (std::int64_t k = 0; k < w_.I; ++k, panel += cell.x_count * V)
#pragma GCC unroll 8
      for (int slot = 0; slot < cell.x_count; ++slot)
        v[slot] = madd(broadcast<Scalar>(x[k]), load(panel + slot * V), v[slot]);
  }

  // The cell's pointwise part for one sequence and one block, and what it leaves behind.
  RNNFAST_INLINE void finish(Vec<Scalar> (&v)[cell.slots], const Place& at) {
    Vec<Scalar> previous = zeros<Scalar>(), carry, h;
    if constexpr (cell.carries()) previous = previous_carry(at);
    if constexpr (cell.noisy)
      h = noisy_forward<Scalar, Cell>(v, previous, p_.noise_at(at.row, at.s, at.b, at.block),
                                      carry);
    else if constexpr (cell.general())
      Cell::forward(v, previous, carry, h, w_.unit_at(at.block), w_.functions);
    else
      Cell::forward(v, previous, carry, h, w_.unit_at(at.block));
    if constexpr (cell.carries()) store(at.carry, carry);
    if (p_.keep)
#pragma GCC unroll 8
      for (int slot = 0; slot < cell.slots; ++slot) store(at.slots + slot * V, v[slot]);
    Scalar* to = cell.may_project && w_.projection
                     ? p_.inner + p_.inner_row(at.row, at.b) * p_.inner_stride
                     : p_.y[at.row];
    store_first(to + at.block * V, h, w_.H - at.block * V);
  }

  // First half of a step whose candidate waits for another gate.
  RNNFAST_INLINE void finish_gates(Vec<Scalar> (&v)[cell.slots], const Place& at) {
    const auto product = [&] {
      if constexpr (cell.general())
        return Cell::template gates<Scalar>(v, previous_carry(at), w_.functions);
      else
        return Cell::template gates<Scalar>(v, previous_carry(at));
    }();
    for (int slot = cell.h_first; slot < cell.h_first + cell.h_count; ++slot)
      store(at.slots + slot * V, v[slot]);
    store_first(p_.inner + p_.inner_row(at.row, at.b) * p_.inner_stride + at.block * V, product,
                w_.H - at.block * V);
  }

  // Second half: n's product with r h<t-1>, and the rest of the step.
  void second_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                   const Prefetch& prefetch) {
    const std::int64_t row = p_.schedule->first[s] + b;
    TileSums<Scalar> sums(size, 1);
    inner_product(p_, row, b, size, w_.w_second, block, prefetch, sums.all());
    for (int u = 0; u < size.blocks; ++u) {
      Place at = place(s, block + u, b);
      for (int m = 0; m < size.rows; ++m, at.advance()) {
        const Scalar* slots = at.slots;
        Vec<Scalar> v[cell.slots];
        v[0] = add(load(slots), load(sums.at(m, u)));
        for (int slot = 1; slot < cell.slots; ++slot) v[slot] = load(slots + slot * V);
        finish(v, at);
      }
    }
  }

  const LayerPass<Scalar>& p_;
  const PackedLayer<Scalar>& w_;
  const Worker& worker_;
  const Range blocks_;
  const bool narrow_;  // whether x's product is made in the pointwise part
  // Whether a step's weights hardly fit the cache: where a chunk is a step, both products are then
  // made block by block, so that the way through all weights is one.
  const bool long_way_;
  const bool early_;        // whether the next chunk's input product is made during a chunk
  std::int64_t chunk_ = 0;  // its first step
  std::int64_t place_ = 0;  // rows of slots before the chunk's
};

}  // namespace rnnfast
