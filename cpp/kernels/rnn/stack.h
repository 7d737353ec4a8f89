// A stack of layers, each in one or two directions, during a pass, and what the pass keeps.
#pragma once

#include <memory>
#include <new>

#include "kernels/core/random.h"
#include "kernels/core/scan.h"
#include "kernels/gemm/packed_stack.h"
#include "kernels/rnn/plan.h"
#include "kernels/rnn/products.h"
#include "kernels/rnn/registry.h"

namespace rnnfast {

// What a forward pass leaves for backpropagation: the opaque Cache of the table. A pass without
// one uses it as scratch.
template <class Scalar>
struct StackCache {
  struct Layer {  // of one direction
    Buffer<Scalar> workspace, carry, inner, slopes;
  };
  // Where the rows of one layer's direction lie, built when its turn comes.
  struct Tables {
    Buffer<const Scalar*> x, h, dy;
    Buffer<Scalar*> y, dx;
    Buffer<std::int64_t> index;
    Buffer<std::uint8_t> reset_mask;
  };
  StackShape shape;
  bool keep;
  bool two_chunks;  // without `keep`: the workspace has room for two chunks
  bool apart;       // each layer has memory of its own: what is kept, or layers run side by side
  SequenceInput<Scalar> input;
  SequenceOutput<Scalar> output;
  Dropout dropout;
  Schedule schedule;
  std::unique_ptr<Layer[]> layers;            // L*D if apart, else D
  std::unique_ptr<Buffer<Scalar>[]> y;        // outputs of layers but the last: (rows by time, D*P)
  std::unique_ptr<Buffer<Scalar>[]> dropped;  // the same after dropout
  Buffer<Scalar> h0, c0;                      // copies: the caller may reuse the arrays
  Buffer<Scalar> wide[2];  // of each direction, if products see several steps: LayerWindow's rows
  Buffer<Scalar> zero_row;
  std::unique_ptr<Tables[]> tables;  // of each direction, or of each thread if it has layers

  std::int64_t width() const { return shape.D * shape.P; }
  bool drops() const { return keep && dropout.probability > 0; }
  Layer& layer(int l, int d) { return layers[apart ? l * shape.D + d : d]; }
  // Rows that a unit block has room for: odd, as blocks whole pages apart would share cache sets.
  std::int64_t workspace_rows() const {
    return (keep ? schedule.rows : (two_chunks ? 2 : 1) * chunk_rows(schedule)) | 1;
  }
  std::int64_t carry_rows() const { return ((keep ? schedule.rows : 0) + schedule.B) | 1; }

  // Whether step s of sequence b begins a document, as a direction comes to it.
  bool is_reset(int d, std::int64_t s, std::int64_t b) const {
    if (input.reset == nullptr || (d > 0 && s == 0)) return false;
    // The boundary before the step's time, seen from the side on which the direction comes to it.
    const std::int64_t boundary = schedule.time(d, s, b) + d;
    return input.reset[boundary * input.reset_time + schedule.order[b] * input.reset_batch] != 0;
  }
  // Whether a layer's product is rows of its weights.
  bool reads_indices(int l) const {
    return l == 0 && input.indices != nullptr && shape.window == 1;
  }
  // What a layer reads at time t of sequence b; null if that is an index.
  const Scalar* features(int l, std::int64_t t, std::int64_t b) const {
    if (l == 0)
      return input.x == nullptr ? nullptr
                                : input.x + schedule.place(t, b, input.x_time, input.x_batch);
    const auto* const from = drops() ? &dropped[l - 1] : &y[apart ? l - 1 : (l - 1) % 2];
    return from->data() + (schedule.first[t] + b) * width();
  }

  std::int64_t bytes() const {
    std::int64_t total = h0.bytes() + c0.bytes();
    for (int i = 0; i < shape.L * shape.D && layers; ++i)
      total += layers[i].workspace.bytes() + layers[i].carry.bytes() + layers[i].inner.bytes() +
               layers[i].slopes.bytes();
    for (int l = 0; l + 1 < shape.L; ++l) {
      if (y) total += y[l].bytes();
      if (dropped) total += dropped[l].bytes();
    }
    return total;
  }

  bool allocate(const PackedStack<Scalar>& packed, const TeamPlan& plan);
  bool allocate_wide();
  bool allocate_tables(const TeamPlan& plan, bool gradients);
  // Pointers for steps [begin, end) of one layer and direction.
  void build_rows(Tables& to, int l, int d, Range steps) const;
  void build_gradient_rows(Tables& to, int l, int d, Range steps,
                           const SequenceGradients<Scalar>& gradients, const Scalar* dy, Scalar* dx,
                           Scalar* d_wide) const;
  LayerPass<Scalar> pass(const PackedStack<Scalar>& packed, const Tables& rows, int l, int d);
  void begin_carry(const LayerPass<Scalar>& pass, int l, int d, const Worker& worker);
  void final_states(const LayerPass<Scalar>& pass, int l, int d, const Worker& worker);
  // to = from times the factors of layer l's outputs at these steps.
  void apply_dropout(int l, const Scalar* from, Scalar* to, Range steps);
};

// Whether a worker's share of the rows of x (T, B, width), within the lengths, is finite.
template <class Scalar>
bool is_finite(const Schedule& schedule, const Scalar* x, std::int64_t x_time, std::int64_t x_batch,
               std::int64_t width, const Worker& worker) {
  const Range mine = share(schedule.steps, worker.rank, worker.size);
  Scan<Scalar, false> scan;
  for (std::int64_t t = mine.begin; t < mine.end; ++t)
    for (std::int64_t b = 0; b < schedule.active[t]; ++b)
      scan.row(x + schedule.place(t, b, x_time, x_batch), width);
  return scan.result() == 0;
}

// Sets y (T, B, width) to zero past each length.
template <class Scalar>
void clear_padding(const Schedule& schedule, std::int64_t T, Scalar* y, std::int64_t y_time,
                   std::int64_t y_batch, std::int64_t width, const Worker& worker) {
  const Range mine = share(schedule.B, worker.rank, worker.size);
  for (std::int64_t b = mine.begin; b < mine.end; ++b)
    for (std::int64_t t = schedule.length[b]; t < T; ++t)
      std::memset(y + t * y_time + schedule.order[b] * y_batch, 0,
                  static_cast<std::size_t>(width) * sizeof(Scalar));
}

template <class Scalar>
bool StackCache<Scalar>::allocate(const PackedStack<Scalar>& packed, const TeamPlan& plan) {
  constexpr int V = lanes<Scalar>;
  apart = keep || plan.pipelined;
  two_chunks = !keep && plan.threads > plan.groups && !plan.split_rows && !plan.pipelined;
  const int count = apart ? shape.L * shape.D : shape.D;
  const std::int64_t R = schedule.rows, B = schedule.B;
  const CellDescriptor& cell = *shape.cell;
  layers.reset(new (std::nothrow) Layer[count]);
  y.reset(new (std::nothrow) Buffer<Scalar>[shape.L]);
  dropped.reset(new (std::nothrow) Buffer<Scalar>[shape.L]);
  if (!layers || !y || !dropped) return false;
  const std::int64_t units = packed.layers[0].units;
  for (int i = 0; i < count; ++i) {
    Layer& one = layers[i];
    if (!one.workspace.reserve(product_of(units, workspace_rows(), cell.slots, V))) return false;
    if (cell.carries() && !one.carry.reserve(product_of(units, carry_rows(), V))) return false;
    if ((cell.second_product() || shape.projection) &&
        !one.inner.reserve(product_of(keep ? R : B, shape.H)))
      return false;
    if (keep && !one.slopes.reserve(product_of(R, cell.norm_count))) return false;
  }
  for (int l = 0; l + 1 < shape.L; ++l) {
    if (!apart && l >= 2) continue;  // two take turns
    if (!y[l].reserve(product_of(R, width()))) return false;
    if (drops() && !dropped[l].reserve(product_of(R, width()))) return false;
  }
  return zero_row.reserve_zeroed(shape.P) && allocate_wide() && allocate_tables(plan, false);
}

template <class Scalar>
bool StackCache<Scalar>::allocate_wide() {
  if (shape.window == 1) return true;
  const std::int64_t widest = std::max(shape.input_of(0), shape.L > 1 ? shape.input_of(1) : 0);
  for (int d = 0; d < shape.D; ++d)
    if (!wide[d].reserve(product_of(schedule.rows, widest))) return false;
  return true;
}

template <class Scalar>
bool StackCache<Scalar>::allocate_tables(const TeamPlan& plan, bool gradients) {
  const int count = plan.pipelined ? plan.threads : shape.D;
  const std::int64_t R = schedule.rows;
  tables.reset(new (std::nothrow) Tables[count]);
  if (!tables) return false;
  for (int i = 0; i < count; ++i) {
    Tables& t = tables[i];
    if (!t.x.reserve(R) || !t.h.reserve(R) || !t.y.reserve(R)) return false;
    if (input.reset != nullptr && !t.reset_mask.reserve(R)) return false;
    if (input.indices != nullptr && !t.index.reserve(R)) return false;
    if (gradients && (!t.dy.reserve(R) || !t.dx.reserve(R))) return false;
  }
  return true;
}

template <class Scalar>
void StackCache<Scalar>::build_rows(Tables& to, int l, int d, Range steps) const {
  const std::int64_t P = shape.P, across = width(), B = schedule.B;
  Scalar* above = l + 1 < shape.L ? y[apart ? l : l % 2].data() : nullptr;
  const auto y_row = [&](std::int64_t t, std::int64_t b) {
    return (above != nullptr ? above + (schedule.first[t] + b) * across
                             : output.y + schedule.place(t, b, output.y_time, output.y_batch)) +
           d * P;
  };
  for (std::int64_t s = steps.begin; s < steps.end; ++s)
    for (std::int64_t b = 0; b < schedule.active[s]; ++b) {
      const std::int64_t t = schedule.time(d, s, b), row = schedule.first[s] + b;
      const std::int64_t place = schedule.order[b];
      const bool reset = is_reset(d, s, b);
      if (input.reset != nullptr) to.reset_mask[row] = reset;
      if (shape.window > 1)
        to.x[row] = wide[d].data() + row * shape.input_of(l);
      else if (l == 0 && input.indices != nullptr)
        to.index[row] = input.indices[schedule.place(t, b, input.x_time, input.x_batch)];
      else
        to.x[row] = features(l, t, b);
      to.y[row] = y_row(t, b);
      if (reset || (s == 0 && input.h0 == nullptr))
        to.h[row] = zero_row.data();
      else if (s == 0)
        to.h[row] = input.h0 + ((l * shape.D + d) * B + place) * P;
      else
        to.h[row] = y_row(schedule.time(d, s - 1, b), b);
    }
}

template <class Scalar>
void StackCache<Scalar>::build_gradient_rows(Tables& to, int l, int d, Range steps,
                                             const SequenceGradients<Scalar>& gradients,
                                             const Scalar* dy, Scalar* dx, Scalar* d_wide) const {
  const std::int64_t across = width();
  for (std::int64_t s = steps.begin; s < steps.end; ++s)
    for (std::int64_t b = 0; b < schedule.active[s]; ++b) {
      const std::int64_t t = schedule.time(d, s, b), row = schedule.first[s] + b;
      const std::int64_t by_time = schedule.first[t] + b;
      if (l + 1 < shape.L)
        to.dy[row] = dy + by_time * across + d * shape.P;
      else if (gradients.dy != nullptr)
        to.dy[row] = gradients.dy + schedule.place(t, b, gradients.dy_time, gradients.dy_batch) +
                     d * shape.P;
      if (d_wide != nullptr)
        to.dx[row] = d_wide + row * shape.input_of(l);
      else if (l > 0)
        to.dx[row] = dx + by_time * across;
      else if (gradients.dx != nullptr)
        to.dx[row] = gradients.dx + schedule.place(t, b, gradients.dx_time, gradients.dx_batch);
    }
}

template <class Scalar>
LayerPass<Scalar> StackCache<Scalar>::pass(const PackedStack<Scalar>& packed, const Tables& rows,
                                           int l, int d) {
  Layer& own = layer(l, d);
  const bool indices = reads_indices(l);
  LayerPass<Scalar> p;
  p.schedule = &schedule;
  p.weights = &packed.layers[l * shape.D + d];
  p.keep = keep;
  p.x = indices ? nullptr : rows.x.data();
  p.index = indices ? rows.index.data() : nullptr;
  p.h_prev = rows.h.data();
  p.y = rows.y.data();
  p.reset_mask = input.reset != nullptr ? rows.reset_mask.data() : nullptr;
  p.workspace = own.workspace.data();
  p.workspace_rows = workspace_rows();
  p.two_chunks = two_chunks;
  p.carry = own.carry.data();
  p.carry_rows = carry_rows();
  p.inner = own.inner.data();
  p.inner_stride = shape.H;
  const std::int64_t noise = (l * shape.D + d) * input.T * input.B * shape.H;
  const auto drawn = [noise](const Scalar* all) { return all != nullptr ? all + noise : nullptr; };
  p.keep_h = drawn(input.keep_h);
  p.keep_c = drawn(input.keep_c);
  p.drop = drawn(input.drop);
  p.rate_h = static_cast<Scalar>(input.drawn ? 0 : shape.zoneout_h);
  p.rate_c = static_cast<Scalar>(input.drawn ? 0 : shape.zoneout_c);
  p.slopes = own.slopes.data();
  return p;
}

// The carry before the first step: c0, or h0 where the carry is the output.
template <class Scalar>
void StackCache<Scalar>::begin_carry(const LayerPass<Scalar>& pass, int l, int d,
                                     const Worker& worker) {
  constexpr int V = lanes<Scalar>;
  if (!shape.cell->carries()) return;
  const std::int64_t B = schedule.B, H = shape.H;
  const bool memory = shape.cell->has_memory();
  const Scalar* from = memory ? input.c0 : input.h0;
  const std::int64_t stride = memory ? shape.memory() : H;
  const Range blocks = share(pass.weights->units, worker.member, worker.members);
  for (std::int64_t block = blocks.begin; block < blocks.end; ++block)
    for (std::int64_t b = 0; b < B; ++b) {
      Scalar* to = pass.carry_at(block, pass.carry_row(-1, b));
      if (from == nullptr)
        store(to, zeros<Scalar>());
      else
        store(to,
              load_first(from + ((l * shape.D + d) * B + schedule.order[b]) * stride + block * V,
                         H - block * V));
    }
}

template <class Scalar>
void StackCache<Scalar>::final_states(const LayerPass<Scalar>& pass, int l, int d,
                                      const Worker& worker) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t B = schedule.B, H = shape.H, P = shape.P;
  const Range mine = share(B, worker.member, worker.members);
  for (std::int64_t b = mine.begin; b < mine.end; ++b) {
    const std::int64_t place = (l * shape.D + d) * B + schedule.order[b];
    const std::int64_t last = schedule.length[b] - 1;
    const Scalar* h = last >= 0             ? pass.y[schedule.first[last] + b]
                      : input.h0 != nullptr ? input.h0 + place * P
                                            : zero_row.data();
    std::memcpy(output.h_n + place * P, h, static_cast<std::size_t>(P) * sizeof(Scalar));
    if (!shape.cell->has_memory()) continue;
    for (std::int64_t block = 0; block < pass.weights->units; ++block)
      store_first(output.c_n + place * shape.memory() + block * V,
                  load(static_cast<const Scalar*>(pass.carry_at(block, pass.carry_row(last, b)))),
                  H - block * V);
  }
}

template <class Scalar>
void StackCache<Scalar>::apply_dropout(int l, const Scalar* from, Scalar* to, Range steps) {
  const DropoutFactors<Scalar> factor(dropout, l);
  const std::int64_t wide = width();
  for (std::int64_t t = steps.begin; t < steps.end; ++t)
    for (std::int64_t b = 0; b < schedule.active[t]; ++b) {
      const std::int64_t row = (schedule.first[t] + b) * wide;
      const std::int64_t step = dropout.every_step_alike ? 0 : t;
      const std::int64_t position = (step * schedule.B + schedule.order[b]) * wide;
      factor.multiply(position, wide, from + row, to + row);
    }
}

}  // namespace rnnfast
