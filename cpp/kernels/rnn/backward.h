// Backpropagation through time, written once for every cell.
//
// Per step only what the step before waits for: the gradient's recurrent product and the pointwise
// part, which overwrites the saved slots by their gradients. The gradients of the weights, and of
// the input, are formed from those in large products, a chunk of steps at a time (gradients.h).
#pragma once

#include "kernels/rnn/backward_driver.h"
#include "kernels/rnn/row_phase.h"

namespace rnnfast {

template <class Scalar, class Cell>
class BackwardLayer final : public BackwardDriver<Scalar> {
  using Driver = BackwardDriver<Scalar>;
  using Driver::blocks_;
  using Driver::dcarry_at;
  using Driver::dkept_at;
  using Driver::g_;
  using Driver::p_;
  using Driver::w_;
  using Driver::worker_;
  static constexpr int V = lanes<Scalar>;
  static constexpr const CellDescriptor& cell = Cell::descriptor;

 public:
  BackwardLayer(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                const Worker& worker)
      : Driver(cell, pass, gradients, worker) {}

 private:
  // This thread's scratch of the phase.
  Scalar* row_space() const {
    return g_.row_space + worker_.member * w_.units * cell.row_scratch() * V;
  }

  // Without a recurrent product no block waits for another.
  void pointwise(Range steps) override {
    if constexpr (!cell.recurrent_product()) {
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
  }

  void norms(std::int64_t s, std::int64_t n) override {
    if constexpr (cell.normalised()) {
      const RowPhase<Scalar, Cell> phase(p_);
      const Range mine = worker_.share_of_rows({0, n});
      for (std::int64_t b = mine.begin; b < mine.end; ++b) phase.backward(g_, s, b, row_space());
    }
  }

  // dh<t> = dy<t> + W_hh^T dG<t+1> for sequences that go on, + dh_n for those that end here.
  void output_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size, bool ends,
                   const Prefetch& prefetch) override {
    if constexpr (cell.recurrent_product()) {
      const Schedule& schedule = *p_.schedule;
      const std::int64_t row = schedule.first[s] + b, next = schedule.first[s + 1] + b;
      TileSums<Scalar> sums(size, 1);
      if (!ends)
        slots_product(p_, next, cell.h_first, w_.h_width(), size, p_.transposed.w_hh, block,
                      prefetch, sums.all());
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
                       const Prefetch& prefetch) override {
    if constexpr (cell.may_project) {
      const std::int64_t row = p_.schedule->first[s] + b;
      TileSums<Scalar> sums(size, 1);
      multiply_tile<Scalar>(size,
                            {g_.d_output + row * V, p_.schedule->rows * V, V, w_.outputs, V,
                             w_.outputs, p_.transposed.w_hr, block, prefetch},
                            sums.all());
      for (int u = 0; u < size.blocks; ++u)
        for (int m = 0; m < size.rows; ++m)
          finish(load(sums.at(m, u)), row + m, block + u, s, b + m);
    }
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
                   const Prefetch& prefetch) override {
    if constexpr (cell.second_product()) {
      const std::int64_t row = p_.schedule->first[s] + b;
      TileSums<Scalar> sums(size, 1);
      slots_product(p_, row, 0, V, size, p_.transposed.w_second, block, prefetch, sums.all());
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
  }
};

}  // namespace rnnfast
