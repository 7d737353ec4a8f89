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
  using Shape = BlockTile<1>;

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
          const std::int64_t at = p_.schedule->order[b] * w_.H + block * V;
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
      for_tiles<Shape>(worker_, outputs_, ends ? Range{later, n} : Range{0, later}, batch, down,
                       [&](auto block, auto blocks, auto b, auto rows, const Prefetch& prefetch) {
                         output_tile<decltype(rows)::value, decltype(blocks)::value>(
                             s, block, b, ends, prefetch);
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
      for_tiles<Shape>(worker_, blocks_, {0, n}, batch, down,
                       [&](auto block, auto blocks, auto b, auto rows, const Prefetch& prefetch) {
                         second_tile<decltype(rows)::value, decltype(blocks)::value>(s, block, b,
                                                                                     prefetch);
                       });
    }
    worker_.step_barrier();
  }

  void project(std::int64_t s, std::int64_t n) {
    if (!w_.projection) return;
    worker_.step_barrier();
    for_tiles<Shape>(worker_, blocks_, {0, n}, p_.schedule->B, p_.goes_down(s),
                     [&](auto block, auto blocks, auto b, auto rows, const Prefetch&) {
                       projection_tile<decltype(rows)::value, decltype(blocks)::value>(s, block, b);
                     });
  }

  // dh<t> = dy<t> + W_hh^T dG<t+1> for sequences that go on, + dh_n for those that end here.
  template <int MR, int U>
  void output_tile(std::int64_t s, std::int64_t block, std::int64_t b, bool ends,
                   const Prefetch& prefetch) {
    const Schedule& schedule = *p_.schedule;
    const std::int64_t row = schedule.first[s] + b;
    Vec<Scalar> acc[MR][U][1];
    clear<Scalar, MR, U, 1>(acc);
    const std::int64_t next = schedule.first[s + 1] + b;
    if (!ends)
      accumulate_slots<Scalar, MR, U>(acc, p_, next, cell.h_first, w_.h_width(), w_.w_hh_t, block,
                                      prefetch);
    Scalar product[U][MR][V];
    spill(acc, product);
    for (int u = 0; u < U; ++u)
      for (int m = 0; m < MR; ++m) {
        Vec<Scalar> dh = load(static_cast<const Scalar*>(product[u][m]));
        if (!ends && p_.is_reset(next + m)) dh = zeros<Scalar>();
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

  // The pointwise part is a loop, not unrolled over the tile: from memory, one vector at a time.
  template <int MR, int U>
  static RNNFAST_INLINE void spill(const Vec<Scalar> (&acc)[MR][U][1], Scalar (&to)[U][MR][V]) {
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u) store(static_cast<Scalar*>(to[u][m]), acc[m][u][0]);
  }

  // d(o tanh c) = W_hr^T dh.
  template <int MR, int U>
  void projection_tile(std::int64_t s, std::int64_t block, std::int64_t b) {
    const std::int64_t rows = p_.schedule->rows, row = p_.schedule->first[s] + b;
    Vec<Scalar> acc[MR][U][1];
    clear<Scalar, MR, U, 1>(acc);
    for (std::int64_t output = 0; output < w_.outputs; ++output) {
      Rows<Scalar, MR> left;
      for (int m = 0; m < MR; ++m) left.row[m] = g_.d_output + (output * rows + row + m) * V;
      const Scalar* right[U];
      for (int u = 0; u < U; ++u)
        right[u] = w_.w_hr_t + ((block + u) * w_.outputs + output) * V * V;
      accumulate<Scalar, MR, U, 1>(acc, left, right, V, V);
    }
    Scalar dm[U][MR][V];
    spill(acc, dm);
    for (int u = 0; u < U; ++u)
      for (int m = 0; m < MR; ++m)
        finish(load(static_cast<const Scalar*>(dm[u][m])), row + m, block + u, s, b + m);
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
  template <int MR, int U>
  void second_tile(std::int64_t s, std::int64_t block, std::int64_t b, const Prefetch& prefetch) {
    const std::int64_t row = p_.schedule->first[s] + b;
    Vec<Scalar> acc[MR][U][1];
    clear<Scalar, MR, U, 1>(acc);
    accumulate_slots<Scalar, MR, U>(acc, p_, row, 0, V, w_.w_second_t, block, prefetch);
    for (int m = 0; m < MR; ++m)
      for (int u = 0; u < U; ++u) {
        Scalar* gate = p_.workspace_at(block + u, row + m) + V;
        Scalar* dcarry = dcarry_at(block + u, b + m);
        Vec<Scalar> r = load(static_cast<const Scalar*>(gate));
        Vec<Scalar> d = load(static_cast<const Scalar*>(dcarry));
        Cell::gates_backward(r, acc[m][u][0], d, p_.previous_carry(row + m, block + u, s, b + m));
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
          store_first(g_.dc0 + schedule.order[b] * w_.H + block * V,
                      load(static_cast<const Scalar*>(dcarry_at(block, b))), w_.H - block * V);
    if (g_.dh0 == nullptr) return;
    const Range outputs = share(w_.outputs, worker_.member, worker_.members);
    for_block_groups<Shape::blocks>(
        outputs, false, outputs.begin, [&](std::int64_t block, auto blocks, std::int64_t next) {
          constexpr int U = decltype(blocks)::value;
          for_row_tiles<Shape::rows>({0, begun}, next,
                                     [&](std::int64_t b, auto rows, const Prefetch& prefetch) {
                                       initial_tile<decltype(rows)::value, U>(block, b, prefetch);
                                     });
          for (std::int64_t b = begun; b < schedule.B; ++b)
            for (int u = 0; u < U; ++u) {
              const std::int64_t at = schedule.order[b] * w_.P + (block + u) * V;
              const std::int64_t count = w_.P - (block + u) * V;
              store_first(g_.dh0 + at,
                          g_.dh_n != nullptr ? load_first(g_.dh_n + at, count) : zeros<Scalar>(),
                          count);
            }
        });
  }

  template <int MR, int U>
  void initial_tile(std::int64_t block, std::int64_t b, const Prefetch& prefetch) {
    Vec<Scalar> acc[MR][U][1];
    clear<Scalar, MR, U, 1>(acc);
    if constexpr (cell.recurrent_product())
      accumulate_slots<Scalar, MR, U>(acc, p_, b, cell.h_first, w_.h_width(), w_.w_hh_t, block,
                                      prefetch);
    Scalar product[U][MR][V];
    spill(acc, product);
    for (int m = 0; m < MR; ++m)
      for (int u = 0; u < U; ++u) {
        Vec<Scalar> dh = load(static_cast<const Scalar*>(product[u][m]));
        if (p_.is_reset(b + m)) dh = zeros<Scalar>();
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
