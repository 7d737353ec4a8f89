// A forward pass over a stack in smaller numbers.
//
// Layer by layer and direction by direction. Per chunk of steps: rows of x become activations, and
// the input's product is made for all of them; then step by step h<t-1> becomes activations, is
// multiplied, and the cell's pointwise part follows panel by panel. A single step of a chunk makes
// both products panel by panel. Steps go through the panels up and down in turns, so that one
// begins with the weights that the one before has left in a cache. Threads share either the
// sequences, and then need nothing of each other, or the panels.
#pragma once

#include "kernels/reduced/layer.h"
#include "kernels/rnn/stack.h"

namespace rnnfast::reduced {

constexpr std::int64_t kRowsAtOnce = 48;  // of a panel's sums before the pointwise part follows

template <class N>
class Pass {
 public:
  // Room for passes of `schedule`'s batch by so many directions, or threads that share sequences.
  bool reserve(const Stack<N>& stack, const Schedule& schedule, int parties) {
    const StackShape& shape = stack.shape;
    const std::int64_t B = schedule.B, rows = chunk_limit(schedule);
    scratch_.reset(new (std::nothrow) Scratch[static_cast<std::size_t>(parties)]);
    if (!scratch_ || !zero_row_.reserve_zeroed(std::max(shape.P, shape.H))) return false;
    const std::int64_t widest = std::max(shape.I, shape.L > 1 ? shape.D * shape.P : 0);
    const std::int64_t blocks = stack.layers[0].blocks;
    const bool inner = shape.cell->second_product() || shape.projection;
    for (int i = 0; i < parties; ++i) {
      Scratch& s = scratch_[i];
      if (!s.x.reserve(rows, widest) || !s.h.reserve(B, shape.P) ||
          !s.sums.reserve(product_of(rows, blocks, shape.cell->x_count, V)) ||
          !s.carry.reserve(product_of(B, blocks, V)) || !s.outputs.reserve(B) ||
          (inner &&
           (!s.inner.reserve(product_of(B, blocks, V)) || !s.inner_rows.reserve(B, shape.H))))
        return false;
    }
    for (int l = 0; l + 1 < shape.L && l < 2; ++l)
      if (!y_[l].reserve(product_of(schedule.rows, shape.D, shape.P))) return false;
    return true;
  }

  // By every thread of a team that was planned so. `down`: which way the first step goes.
  void run(const Stack<N>& stack, const Schedule& schedule, const SequenceInput<float>& input,
           const SequenceOutput<float>& output, const Worker& worker, bool down = false) {
    TileRegisters registers(schedule.B);
    const StackShape& shape = stack.shape;
    Scratch& scratch = scratch_[worker.split_rows ? worker.rank : worker.group];
    for (int l = 0; l < shape.L; ++l) {
      for (int d = 0; d < shape.D; ++d)
        if (worker.groups == 1 || d == worker.group) {
          const float* below = l > 0 ? y_[(l - 1) % 2].data() : nullptr;
          float* above = l + 1 < shape.L ? y_[l % 2].data() : nullptr;
          Run{stack, schedule, input, output, worker, registers, scratch, zero_row_.data(),
              below, above,    l,     d,      down}
              .all();
        }
      worker.all->wait();
    }
  }

 private:
  struct Scratch {
    Rows<N> x, h, inner_rows;
    Buffer<float> sums;   // [row of the chunk][block][x slot][V]
    Buffer<float> carry;  // [sequence][block][V]
    Buffer<float> inner;  // [sequence][block][V]: what enters a second product, or a projection
    Buffer<float*> outputs;
  };

  static std::int64_t chunk_limit(const Schedule& schedule) {
    return std::max(std::min(kChunkRows, schedule.rows), schedule.B);
  }

  // One layer in one direction, by one of the threads that work on it.
  struct Run {
    const Stack<N>& stack;
    const Schedule& schedule;
    const SequenceInput<float>& input;
    const SequenceOutput<float>& output;
    const Worker& worker;
    TileRegisters& registers;
    Scratch& scratch;
    const float* zero_row;
    const float* below;  // outputs of the layer below and of this one, rows by time; or null
    float* above;
    int l, d;
    bool first_down;

    const StackShape& shape = stack.shape;
    const Layer<N>& w = stack.layers[l * shape.D + d];
    const CellDescriptor& cell = w.cell;
    const Range sequences = worker.my_rows({0, schedule.B});
    const std::int64_t x_stride = w.blocks * w.cell.x_count * V, carry_stride = w.blocks * V;

    void all() const {
      begin();
      for (Range steps = {0, 0}; steps.end < schedule.steps;) {
        steps = chunk_from(steps.end);
        const std::int64_t rows = rows_of(steps);
        enter_inputs(steps, rows);
        if (steps.end - steps.begin == 1 && w.ih.blocks() == w.hh.blocks()) {
          step(steps.begin, 0, true);
          continue;
        }
        worker.step_barrier();
        registers.use(rows);
        for_panels(w.ih, steps.begin,
                   [&](std::int64_t panel) { input_product(steps, rows, panel); });
        std::int64_t row = 0;
        for (std::int64_t s = steps.begin; s < steps.end; ++s) {
          step(s, row, false);
          row += rows_at(s);
        }
      }
      end();
    }

    Range live(std::int64_t s) const { return worker.my_rows({0, schedule.active[s]}); }
    std::int64_t rows_at(std::int64_t s) const { return live(s).end - live(s).begin; }
    std::int64_t state(std::int64_t b) const {  // where the caller has a sequence's state
      return (l * shape.D + d) * schedule.B + schedule.order[b];
    }
    float* carry(std::int64_t b) const { return scratch.carry.data() + b * carry_stride; }

    // My share of what is dealt out by sequences.
    Range dealt(Range rows) const { return worker.share_of_rows(rows); }

    void begin() const {
      if (!cell.carries()) return;
      const float* from = cell.has_memory() ? input.c0 : input.h0;
      const Range mine = dealt({0, schedule.B});
      for (std::int64_t b = mine.begin; b < mine.end; ++b) {
        std::memset(carry(b), 0, static_cast<std::size_t>(carry_stride) * sizeof(float));
        if (from != nullptr)
          std::memcpy(carry(b), from + state(b) * w.H,
                      static_cast<std::size_t>(w.H) * sizeof(float));
      }
    }

    void end() const {
      const Range mine = dealt({0, schedule.B});
      for (std::int64_t b = mine.begin; b < mine.end; ++b) {
        const std::int64_t last = schedule.length[b] - 1;
        const float* h = last >= 0             ? y_row(schedule.time(d, last, b), b)
                         : input.h0 != nullptr ? input.h0 + state(b) * w.P
                                               : zero_row;
        std::memcpy(output.h_n + state(b) * w.P, h, static_cast<std::size_t>(w.P) * sizeof(float));
        if (cell.has_memory())
          std::memcpy(output.c_n + state(b) * w.H, carry(b),
                      static_cast<std::size_t>(w.H) * sizeof(float));
      }
    }

    Range chunk_from(std::int64_t s) const {
      std::int64_t rows = 0, end = s;
      do {
        rows += rows_at(end);
        ++end;
      } while (end < schedule.steps && rows + rows_at(end) <= kChunkRows);
      return {s, end};
    }

    float* y_row(std::int64_t t, std::int64_t b) const {
      return (above != nullptr ? above + (schedule.first[t] + b) * shape.D * w.P
                               : output.y + schedule.place(t, b, output.y_time, output.y_batch)) +
             d * w.P;
    }
    const float* x_row(std::int64_t t, std::int64_t b) const {
      return below != nullptr ? below + (schedule.first[t] + b) * w.I
                              : input.x + schedule.place(t, b, input.x_time, input.x_batch);
    }
    // Whether no state comes to step s from the one before.
    bool is_reset(std::int64_t s, std::int64_t b) const {
      if (input.reset == nullptr || (d == 1 && s == 0)) return false;
      const std::int64_t t = schedule.time(d, s, b), boundary = d == 0 ? t : t + 1;
      return input.reset[boundary * input.reset_time + schedule.order[b] * input.reset_batch] != 0;
    }

    // Calls f(row of the chunk, time, sequence) for the rows of a chunk.
    template <class F>
    void for_rows(Range steps, const F& f) const {
      std::int64_t row = 0;
      for (std::int64_t s = steps.begin; s < steps.end; ++s) {
        const Range mine = live(s);
        for (std::int64_t b = mine.begin; b < mine.end; ++b, ++row)
          f(row, schedule.time(d, s, b), b);
      }
    }

    std::int64_t rows_of(Range steps) const {
      std::int64_t rows = 0;
      for (std::int64_t s = steps.begin; s < steps.end; ++s) rows += rows_at(s);
      return rows;
    }

    // Calls f(panel) for my panels, in the order in which step s goes through them.
    template <class F>
    void for_panels(const Matrix<N>& matrix, std::int64_t s, const F& f) const {
      const Range mine = worker.my_blocks(matrix.panels);
      const bool down = first_down != (s % 2 != 0);
      for (std::int64_t i = mine.begin; i < mine.end; ++i)
        f(down ? mine.begin + mine.end - 1 - i : i);
    }

    bool takes_indices() const { return l == 0 && input.indices != nullptr; }

    // So many rows of x become activations.
    void enter_inputs(Range steps, std::int64_t rows) const {
      if (takes_indices()) return;
      const Range mine =
          worker.waits() ? share(rows, worker.member, worker.members) : Range{0, rows};
      for_rows(steps, [&](std::int64_t row, std::int64_t t, std::int64_t b) {
        if (row >= mine.begin && row < mine.end) scratch.x.put(row, x_row(t, b), w.I);
      });
    }

    // So many rows of a chunk times a panel.
    void input_product(Range steps, std::int64_t rows, std::int64_t panel) const {
      const std::int64_t width = w.ih.width * V;
      const float* bias = w.x_bias.data() + panel * width;
      float* const to = scratch.sums.data() + panel * width;
      if (takes_indices())
        for_rows(steps, [&](std::int64_t row, std::int64_t t, std::int64_t b) {
          const std::int64_t at = schedule.place(t, b, input.x_time, input.x_batch);
          w.ih.column(input.indices[at], panel, bias, to + row * x_stride);
        });
      else
        w.ih.product(scratch.x, 0, rows, panel, bias, to, x_stride);
    }

    // Step s, whose first row in the chunk is `first`; with the input's product, or after it.
    void step(std::int64_t s, std::int64_t first, bool with_input) const {
      const Range rows = live(s);
      registers.use(rows.end - rows.begin);
      const Range mine = dealt({0, schedule.active[s]});
      const bool inner = cell.second_product() || shape.projection;
      for (std::int64_t b = mine.begin; b < mine.end; ++b) enter(s, b);
      worker.step_barrier();
      const auto part = cell.second_product() ? stack.cell->gates : stack.cell->finish;
      for_panels(w.hh, s, [&](std::int64_t panel) {
        if (with_input) input_product({s, s + 1}, rows.end - rows.begin, panel);
        product(w.hh, scratch.h, rows, first, panel, part);
      });
      worker.step_barrier();
      if (!inner) return;
      for (std::int64_t b = mine.begin; b < mine.end; ++b) {
        scratch.inner_rows.put(b, scratch.inner.data() + b * carry_stride, w.H);
        scratch.outputs[b] = y_row(schedule.time(d, s, b), b);
      }
      worker.step_barrier();
      if (cell.second_product())
        for_panels(w.second, s, [&](std::int64_t panel) {
          product(w.second, scratch.inner_rows, rows, first, panel, stack.cell->finish);
        });
      else
        for_panels(w.hr, s, [&](std::int64_t panel) { project(rows, panel); });
      worker.step_barrier();
    }

    // The state of sequence b before step s becomes activations.
    void enter(std::int64_t s, std::int64_t b) const {
      const bool reset = is_reset(s, b);
      if (reset && cell.carries())
        std::memset(carry(b), 0, static_cast<std::size_t>(carry_stride) * sizeof(float));
      if (reset || (s == 0 && input.h0 == nullptr))
        scratch.h.clear(b, w.P);
      else
        scratch.h.put(b, s == 0 ? input.h0 + state(b) * w.P : y_row(schedule.time(d, s - 1, b), b),
                      w.P);
      scratch.outputs[b] = cell.second_product() || shape.projection
                               ? scratch.inner.data() + b * carry_stride
                               : y_row(schedule.time(d, s, b), b);
    }

    // A step's rows times a panel, followed by the pointwise part.
    void product(const Matrix<N>& matrix, Rows<N>& left, Range rows, std::int64_t first,
                 std::int64_t panel, void (*part)(const Step&)) const {
      alignas(64) float sums[kRowsAtOnce * 4 * V];
      const std::int64_t width = matrix.width * V, blocks = matrix.blocks();
      for (std::int64_t b = rows.begin; b < rows.end; b += kRowsAtOnce) {
        const std::int64_t count = std::min(kRowsAtOnce, rows.end - b);
        matrix.product(left, b, count, panel, nullptr, sums, width);
        part({count, panel * blocks, std::min((panel + 1) * blocks, ceil_div(w.H, V)), w.H,
              scratch.sums.data() + (first + b - rows.begin) * x_stride, x_stride, sums, width,
              w.bias.data(), w.unit.data(), carry(b), carry_stride, scratch.outputs.data() + b});
      }
    }

    void project(Range rows, std::int64_t panel) const {
      alignas(64) float sums[kRowsAtOnce * 4 * V];
      const std::int64_t width = w.hr.width * V;
      for (std::int64_t b = rows.begin; b < rows.end; b += kRowsAtOnce) {
        const std::int64_t count = std::min(kRowsAtOnce, rows.end - b);
        w.hr.product(scratch.inner_rows, b, count, panel, nullptr, sums, width);
        for (std::int64_t m = 0; m < count; ++m)
          std::memcpy(
              scratch.outputs[b + m] + panel * width, sums + m * width,
              static_cast<std::size_t>(std::min(width, w.P - panel * width)) * sizeof(float));
      }
    }
  };

  std::unique_ptr<Scratch[]> scratch_;  // of each thread that has sequences, or of each direction
  Buffer<float> zero_row_;
  Buffer<float> y_[2];  // outputs of layers but the last, which take turns
};

// How many threads a pass is worth, and what they share.
template <class N>
TeamPlan plan_of(const Stack<N>& stack, const Schedule& schedule, int threads) {
  constexpr std::int64_t kLeast = 4 << 20;       // weights times rows: a region costs microseconds
  constexpr std::int64_t kExchange = 160 << 10;  // bytes of weights, read while two threads meet
  const StackShape& shape = stack.shape;
  TeamPlan plan;
  const std::int64_t bytes = stack.bytes();
  if (threads <= 1 || schedule.rows == 0 || bytes * schedule.rows < kLeast) return plan;
  plan.groups = shape.D == 2 ? 2 : 1;
  std::int64_t members = threads / plan.groups;
  plan.split_rows = members > 1 && schedule.B >= 4 * members;
  if (!plan.split_rows) {
    members = std::min(members, stack.layers[0].hh.panels);
    if (bytes / (shape.L * shape.D) < kExchange * (members - 1)) members = 1;
  }
  plan.threads = static_cast<int>(plan.groups * std::max<std::int64_t>(1, members));
  return plan;
}

}  // namespace rnnfast::reduced
