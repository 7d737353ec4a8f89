// What a pass kept of a layer's gates, for who wants to see inside.
#pragma once

#include "kernels/core/activations.h"
#include "kernels/rnn/stack.h"

namespace rnnfast {

// A gate of one layer's direction at every step, or the carry for gate -1: to (T, B, H) contiguous,
// zero past a length. After backpropagation there are gradients in its place.
template <class Scalar>
Status kept_gate(const PackedStack<Scalar>& packed, const StackCache<Scalar>& cache, int l, int d,
                 int gate, Scalar* to) {
  constexpr int V = lanes<Scalar>;
  const CellDescriptor& cell = *cache.shape.cell;
  const Schedule& schedule = cache.schedule;
  const std::int64_t B = schedule.B, H = cache.shape.H;
  auto& kept = cache.layers[l * cache.shape.D + d];
  const int slot = gate < 0 ? 0 : cell.slot_of(gate);
  const auto gates = gate < 0 ? nullptr : layer_kernel<Scalar>(cell).gates;
  LayerPass<Scalar> pass = {};
  pass.weights = &packed.layers[l * cache.shape.D + d];
  pass.workspace = kept.workspace.data();
  pass.workspace_rows = cache.workspace_rows();
  Buffer<Scalar> row_gates;
  if (gates != nullptr && !row_gates.reserve(product_of(pass.weights->units, cell.sums(), V)))
    return Status::out_of_memory;
  std::fill(to, to + cache.input.T * B * H, Scalar(0));
  for (std::int64_t s = 0; s < schedule.steps; ++s)
    for (std::int64_t b = 0; b < schedule.active[s]; ++b) {
      const std::int64_t row = schedule.first[s] + b;
      Scalar* h = to + (schedule.time(d, s, b) * B + schedule.order[b]) * H;
      if (gates != nullptr) gates(pass, row, row_gates.data());
      for (std::int64_t block = 0; block * V < H; ++block) {
        const Scalar* from =
            gate < 0           ? kept.carry.data() + (block * cache.carry_rows() + B + row) * V
            : gates != nullptr ? row_gates.data() + (block * cell.sums() + slot) * V
                               : pass.workspace_at(block, row) + slot * V;
        const Vec<Scalar> value = load(from);
        store_first(h + block * V, gate >= 0 && cell.raw[slot] ? sigmoid<Scalar>(value) : value,
                    H - block * V);
      }
    }
  return Status::ok;
}

}  // namespace rnnfast
