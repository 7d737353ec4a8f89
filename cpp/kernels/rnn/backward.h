// Backpropagation through time, written once for every cell.
//
// Per step only what the step before waits for: the gradient's recurrent product and the pointwise
// part, which overwrites the saved slots by their gradients. The gradients of the weights, and of
// the input, are formed from those in large products, a chunk of steps at a time (gradients.h).
#pragma once

#include "kernels/rnn/gradients.h"
#include "kernels/rnn/products.h"
#include "kernels/rnn/row_phase.h"

namespace rnnfast {

template <class Scalar, class Cell>
class BackwardLayer {
  static constexpr int V = lanes<Scalar>;
  static constexpr const CellDescriptor& cell = Cell::descriptor;

 public:
  BackwardLayer(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                const Worker& worker)
      : p_(pass),
        g_(gradients),
        w_(*pass.weights),
        worker_(worker),
        blocks_(worker.my_blocks(w_.units)),
        outputs_(worker.my_blocks(w_.outputs)) {}

  void run() {
    const Schedule& schedule = *p_.schedule;
    begin_gradients(p_, g_, worker_);
    begin_carry();
    for (std::int64_t end = schedule.steps; end > 0;) {
      const std::int64_t begin = chunk_begin(schedule, end, 2 * kGradientRows);
      if (p_.observer == nullptr)
        run_steps({begin, end});
      else
        parts({begin, end});
      add_gradients(p_, g_, worker_, begin, end);
      end = begin;
    }
    finish_gradients(p_, g_, worker_);
    initial_state();
  }

 private:
  Scalar* dcarry_at(std::int64_t block, std::int64_t b) const {
    return g_.dcarry + (block * p_.schedule->B + b) * V;
  }
  Scalar* dkept_at(std::int64_t block, std::int64_t b) const {
    return g_.dkept + (block * p_.schedule->B + b) * V;
  }
  // This thread's scratch of the phase.
  Scalar* row_space() const {
    return g_.row_space + worker_.member * w_.units * cell.row_scratch() * V;
  }

  // The gradient of the carry after the last step: dc_n, else nothing.
  void begin_carry() {
    if constexpr (cell.carries()) {
      const bool given = cell.has_memory() && g_.dc_n != nullptr;
      const Range units = share(w_.units, worker_.member, worker_.members);
      for (std::int64_t block = units.begin; block < units.end; ++block)
        for (std::int64_t b = 0; b < p_.schedule->B; ++b) {
          const std::int64_t at = p_.schedule->order[b] * g_.c_stride + block * V;
          store(dcarry_at(block, b),
                given ? load_first(g_.dc_n + at, w_.H - block * V) : zeros<Scalar>());
        }
      // Rows may belong to another thread than blocks.
      if (worker_.split_rows) worker_.own->wait();
    }
  }

  // The same in parts, each with its gradient of the input, for which another layer waits.
  void parts(Range steps) {
    const Schedule& schedule = *p_.schedule;
    for (std::int64_t end = steps.end; end > steps.begin;) {
      const std::int64_t begin =
          std::max(steps.begin, chunk_begin(schedule, end, p_.observer->rows()));
      p_.observer->before({begin, end});
      run_steps({begin, end});
      if (g_.dx != nullptr)
        input_gradient(p_, g_.dx, g_.dx_add, {schedule.first[begin], schedule.first[end]}, 0, 1);
      p_.observer->after({begin, end});
      end = begin;
    }
  }

  void run_steps(Range steps) {
    if constexpr (cell.recurrent_product())
      for (std::int64_t s = steps.end - 1; s >= steps.begin; --s) step(s);
    else
      pointwise(steps);
  }

  // Without a recurrent product no block waits for another.
  void pointwise(Range steps) {
    const Schedule& schedule = *p_.schedule;
    for (std::int64_t block = blocks_.begin; block < blocks_.end; ++block)
      for (std::int64_t s = steps.end - 1; s >= steps.begin; --s) {
        const std::int64_t later = s + 1 < schedule.steps ? schedule.active[s + 1] : 0;
        const Range mine = worker_.my_rows({0, schedule.active[s]});
        for (std::int64_t b = mine.begin; b < mine.end; ++b) {
          const std::int64_t row = schedule.first[s] + b;
          finish(output_gradient(zeros<Scalar>(), row, block, b, b >= later), row, block, s, b);
        }
      }
  }

  void step(std::int64_t s) {
    const Schedule& schedule = *p_.schedule;
    const std::int64_t n = schedule.active[s], batch = schedule.B;
    const bool down = p_.goes_down(s);
    const std::int64_t later = s + 1 < schedule.steps ? schedule.active[s + 1] : 0;
    for (const bool ends : {false, true})
      for_tiles(tile_shape(1), worker_, outputs_, ends ? Range{later, n} : Range{0, later}, batch,
                down,
                [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
                  output_tile(s, block, b, size, ends, prefetch);
                });
    if constexpr (cell.may_project) project(s, n);
    if constexpr (cell.normalised()) {
      worker_.step_barrier();
      const RowPhase<Scalar, Cell> phase(p_);
      const Range mine = worker_.share_of_rows({0, n});
      for (std::int64_t b = mine.begin; b < mine.end; ++b) phase.backward(g_, s, b, row_space());
    }
    if constexpr (cell.second_product()) {
      worker_.step_barrier();
      for_tiles(tile_shape(1), worker_, blocks_, {0, n}, batch, down,
                [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
                  second_tile(s, block, b, size, prefetch);
                });
    }
    worker_.step_barrier();
  }

  void project(std::int64_t s, std::int64_t n) {
    if (!w_.projection) return;
    worker_.step_barrier();
    for_tiles(tile_shape(1), worker_, blocks_, {0, n}, p_.schedule->B, p_.goes_down(s),
              [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
                projection_tile(s, block, b, size, prefetch);
              });
  }

  // dh<t> = dy<t> + W_hh^T dG<t+1> for sequences that go on, + dh_n for those that end here.
  void output_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size, bool ends,
                   const Prefetch& prefetch) {
    const Schedule& schedule = *p_.schedule;
    const std::int64_t row = schedule.first[s] + b, next = schedule.first[s + 1] + b;
    TileSums<Scalar> sums(size, 1);
    if (!ends)
      slots_product(p_, next, cell.h_first, w_.h_width(), size, w_.w_hh_t, block, prefetch,
                    sums.all());
    for (int u = 0; u < size.blocks; ++u)
      for (int m = 0; m < size.rows; ++m) {
        Vec<Scalar> dh = zeros<Scalar>();
        if (!ends && !p_.is_reset(next + m)) dh = load(sums.at(m, u));
        if constexpr (cell.keeps_output())
          if (!ends) dh = add(dh, load(static_cast<const Scalar*>(dkept_at(block + u, b + m))));
        dh = output_gradient(dh, row + m, block + u, b + m, ends);
        if constexpr (cell.normalised())
          store(g_.d_output + ((block + u) * schedule.B + b + m) * V, dh);
        else if (cell.may_project && w_.projection)
          store(g_.d_output + ((block + u) * schedule.rows + row + m) * V, dh);
        else
          finish(dh, row + m, block + u, s, b + m);
      }
  }

  // dh<t>: what came through the product, or dh_n where a sequence ends, and dy<t>.
  RNNFAST_INLINE Vec<Scalar> output_gradient(Vec<Scalar> dh, std::int64_t row, std::int64_t block,
                                             std::int64_t b, bool ends) const {
    const std::int64_t column = block * V, count = w_.P - column;
    if (ends && g_.dh_n != nullptr)
      dh = load_first(g_.dh_n + p_.schedule->order[b] * w_.P + column, count);
    if (g_.dy != nullptr) dh = add(dh, load_first(g_.dy[row] + column, count));
    return dh;
  }

  // d(o tanh c) = W_hr^T dh.
  void projection_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                       const Prefetch& prefetch) {
    const std::int64_t row = p_.schedule->first[s] + b;
    TileSums<Scalar> sums(size, 1);
    multiply_tile<Scalar>(size,
                          {g_.d_output + row * V, p_.schedule->rows * V, V, w_.outputs, V,
                           w_.outputs, w_.w_hr_t, block, prefetch},
                          sums.all());
    for (int u = 0; u < size.blocks; ++u)
      for (int m = 0; m < size.rows; ++m) finish(load(sums.at(m, u)), row + m, block + u, s, b + m);
  }

  // The pointwise part for one sequence and one block.
  RNNFAST_INLINE void finish(const Vec<Scalar>& dh, std::int64_t row, std::int64_t block,
                             std::int64_t s, std::int64_t b) {
    Scalar* slots = p_.workspace_at(block, row);
    Vec<Scalar> v[cell.slots];
#pragma GCC unroll 8
    for (int slot = 0; slot < cell.slots; ++slot)
      v[slot] = load(static_cast<const Scalar*>(slots + slot * V));
    Vec<Scalar> dcarry = zeros<Scalar>(), previous = zeros<Scalar>(), carry = zeros<Scalar>();
    if constexpr (cell.carries()) {
      dcarry = load(static_cast<const Scalar*>(dcarry_at(block, b)));
      previous = p_.previous_carry(row, block, s, b);
      if constexpr (cell.has_memory())
        carry = load(static_cast<const Scalar*>(p_.carry_at(block, p_.carry_row(s, b))));
    }
    if constexpr (cell.noisy) {
      Vec<Scalar> dkept;
      noisy_backward<Scalar, Cell>(v, dh, dcarry, previous, p_.noise_at(row, s, b, block), dkept);
      if constexpr (cell.keeps_output())
        store(dkept_at(block, b), p_.is_reset(row) ? zeros<Scalar>() : dkept);
    } else {
      Cell::backward(v, dh, dcarry, previous, carry, w_.unit_at(block));
    }
#pragma GCC unroll 8
    for (int slot = 0; slot < cell.slots; ++slot) store(slots + slot * V, v[slot]);
    if constexpr (cell.carries())
      store(dcarry_at(block, b), p_.is_reset(row) ? zeros<Scalar>() : dcarry);
  }

  // Through the product whose input was a gate times h<t-1>.
  void second_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                   const Prefetch& prefetch) {
    const std::int64_t row = p_.schedule->first[s] + b;
    TileSums<Scalar> sums(size, 1);
    slots_product(p_, row, 0, V, size, w_.w_second_t, block, prefetch, sums.all());
    for (int u = 0; u < size.blocks; ++u)
      for (int m = 0; m < size.rows; ++m) {
        Scalar* gate = p_.workspace_at(block + u, row + m) + V;
        Scalar* dcarry = dcarry_at(block + u, b + m);
        Vec<Scalar> r = load(static_cast<const Scalar*>(gate));
        Vec<Scalar> d = load(static_cast<const Scalar*>(dcarry));
        Cell::gates_backward(r, load(sums.at(m, u)), d,
                             p_.previous_carry(row + m, block + u, s, b + m));
        store(gate, r);
        store(dcarry, p_.is_reset(row + m) ? zeros<Scalar>() : d);
      }
  }

  // dh0 = W_hh^T dG<1>, plus what bypasses the product; dc0.
  void initial_state() {
    const Schedule& schedule = *p_.schedule;
    const std::int64_t begun = schedule.steps > 0 ? schedule.active[0] : 0;
    if (worker_.split_rows) worker_.own->wait();
    const Range units = share(w_.units, worker_.member, worker_.members);
    if (g_.dc0 != nullptr)
      for (std::int64_t block = units.begin; block < units.end; ++block)
        for (std::int64_t b = 0; b < schedule.B; ++b)
          store_first(g_.dc0 + schedule.order[b] * g_.c_stride + block * V,
                      load(static_cast<const Scalar*>(dcarry_at(block, b))), w_.H - block * V);
    if (g_.dh0 == nullptr) return;
    const Range outputs = share(w_.outputs, worker_.member, worker_.members);
    constexpr TileShape shape = tile_shape(1);
    for_block_groups(
        shape.blocks, outputs, false, outputs.begin,
        [&](std::int64_t block, int group, std::int64_t next) {
          for_row_tiles(shape.rows, {0, begun}, next,
                        [&](std::int64_t b, int rows, const Prefetch& prefetch) {
                          initial_tile(block, b, {rows, group}, prefetch);
                        });
          for (std::int64_t b = begun; b < schedule.B; ++b)
            for (int u = 0; u < group; ++u) {
              const std::int64_t at = schedule.order[b] * w_.P + (block + u) * V;
              const std::int64_t count = w_.P - (block + u) * V;
              store_first(g_.dh0 + at,
                          g_.dh_n != nullptr ? load_first(g_.dh_n + at, count) : zeros<Scalar>(),
                          count);
            }
        });
  }

  void initial_tile(std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
    TileSums<Scalar> sums(size, 1);
    if constexpr (cell.recurrent_product())
      slots_product(p_, b, cell.h_first, w_.h_width(), size, w_.w_hh_t, block, prefetch,
                    sums.all());
    for (int u = 0; u < size.blocks; ++u)
      for (int m = 0; m < size.rows; ++m) {
        Vec<Scalar> dh = zeros<Scalar>();
        if constexpr (cell.recurrent_product())
          if (!p_.is_reset(b + m)) dh = load(sums.at(m, u));
        if constexpr (cell.keeps_output())
          dh = add(dh, load(static_cast<const Scalar*>(dkept_at(block + u, b + m))));
        if constexpr (cell.carry == Carry::output)
          dh = add(dh, load(static_cast<const Scalar*>(dcarry_at(block + u, b + m))));
        const std::int64_t column = (block + u) * V;
        store_first(g_.dh0 + p_.schedule->order[b + m] * w_.P + column, dh, w_.P - column);
      }
  }

  const LayerPass<Scalar>& p_;
  const LayerGradients<Scalar>& g_;
  const PackedLayer<Scalar>& w_;
  const Worker& worker_;
  const Range blocks_, outputs_;
};

}  // namespace rnnfast
