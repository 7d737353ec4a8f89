// Weights in the order in which the kernels read them.
//
// V lanes make a unit block; a panel holds one block's columns for every k, so that a tile reads
// it from front to back. Units are padded to whole blocks with zeros.
//
//   w_ih      [unit block][k < I][x slot][V]        w_hh      [unit block][k < P][h slot][V]
//   w_second  [unit block][k < H][V]                w_hr      [output block][k < H][V]
//   bias      [unit block][slot][V]                 unit      [unit block][unit weight][V]
//   norm      [unit block][slot][gain, bias][V]     of cells with norms, whose `bias` is zero
//
// and once more of the last unit block, where its units are few, its gates side by side in less
// than a vector each (rnn/remainder.h):
//
//   remainder_ih   [k < I][x_remainder][V]          remainder_hh   [k < P][h_remainder][V]
//   remainder_bias [x_remainder][V]
//
// Backpropagation reads them in another order: transposed.h.
#pragma once

#include "kernels/abi/recurrent.h"
#include "kernels/core/buffer.h"
#include "kernels/core/simd.h"
#include "kernels/gemm/transpose.h"
#include "kernels/threads/team.h"

namespace rnnfast {

template <class Scalar>
std::int64_t blocks_of(std::int64_t units) {
  return (units + lanes<Scalar> - 1) / lanes<Scalar>;
}

// Vectors that hold `count` gates of the `last` units of a layer side by side; 0 if that saves
// none, or if tiles take several blocks together.
template <class Scalar>
int remainder_vectors(std::int64_t last, int count) {
  const auto vectors = static_cast<int>(blocks_of<Scalar>(last * count));
  return count >= 3 && vectors < count ? vectors : 0;
}

// One layer's direction.
template <class Scalar>
struct PackedLayer {
  static constexpr int V = lanes<Scalar>;

  CellDescriptor cell;
  std::int64_t I, H, P;
  std::int64_t inputs, units, outputs;  // blocks
  std::int64_t last;                    // units of the last block
  int x_remainder, h_remainder;         // vectors
  bool projection;
  std::int64_t highway;  // the column of the input at which it begins, or -1
  Scalar highway_scale;
  Buffer<Scalar> memory;
  Scalar *w_ih, *w_hh, *w_second, *w_hr, *bias, *unit, *norm;
  Scalar *remainder_ih, *remainder_hh, *remainder_bias;
  GateFunctions functions;  // of a general cell

  std::int64_t x_width() const { return cell.x_count * V; }  // of one panel's row
  std::int64_t h_width() const { return cell.h_count * V; }

  const Scalar* unit_at(std::int64_t block) const { return unit + block * cell.unit_count * V; }
  const Scalar* norm_at(std::int64_t block, int slot) const {
    return norm + (block * cell.slots + slot) * 2 * V;
  }

  bool create(const StackShape& shape, int layer, int direction) {
    cell = shape.cell_of(layer);
    highway = shape.highway_of(layer, direction);
    highway_scale = static_cast<Scalar>(shape.highway_scale);
    functions = shape.functions[direction];
    I = shape.input_of(layer);
    H = shape.H;
    P = shape.P;
    inputs = blocks_of<Scalar>(I);
    units = blocks_of<Scalar>(H);
    outputs = blocks_of<Scalar>(P);
    last = H - (units - 1) * V;
    x_remainder = remainder_vectors<Scalar>(last, cell.x_count);
    h_remainder = remainder_vectors<Scalar>(last, cell.h_count);
    projection = shape.projection;
    const std::int64_t sizes[] = {product_of(units, I, x_width()),
                                  product_of(units, P, h_width()),
                                  cell.second_product() ? product_of(units, H, V) : 0,
                                  projection ? product_of(outputs, H, V) : 0,
                                  units * cell.slots * V,
                                  units * cell.unit_count * V,
                                  cell.normalised() ? units * cell.slots * 2 * V : 0,
                                  I * x_remainder * V,
                                  P * h_remainder * V,
                                  x_remainder * V};
    if (!memory.reserve_zeroed(sum_of(sizes))) return false;
    Scalar** const parts[] = {&w_ih, &w_hh, &w_second,     &w_hr,         &bias,
                              &unit, &norm, &remainder_ih, &remainder_hh, &remainder_bias};
    Scalar* at = memory.data();
    for (int i = 0; i < 10; ++i) {
      *parts[i] = sizes[i] > 0 ? at : nullptr;
      at += sizes[i];
    }
    return true;
  }

  // Packs the weights of a unit block.
  void pack(const LayerParameters<const Scalar*>& p, std::int64_t u) {
    const std::int64_t n = H - u * V;  // units from this block's first on
    pack_slots(p.w_ih + u * V * I, I, n, cell.x_gate, cell.x_count, w_ih + u * I * x_width());
    if (cell.recurrent_product())
      pack_slots(p.w_hh + u * V * P, P, n, cell.h_gate, cell.h_count, w_hh + u * P * h_width());
    if (cell.second_product())
      pack_lanes(p.w_hh + (cell.second_gate * H + u * V) * P, P, n, P, w_second + u * H * V, V);
    if (cell.normalised())
      pack_norm(p, u, n);
    else
      pack_bias(p, u, n);
    for (int g = 0; g < cell.unit_count; ++g)
      store(unit + (u * cell.unit_count + g) * V, load_first(p.unit + g * H + u * V, n));
    if (u + 1 == units) pack_remainders();
  }
  // Visits the values that `pack` reads for a unit block: f(first, count of neighbours).
  template <class F>
  void for_values(const LayerParameters<const Scalar*>& p, std::int64_t u, const F& f) const {
    const std::int64_t rows = std::min<std::int64_t>(V, H - u * V);
    const auto rows_of = [&](const Scalar* from, int gates, std::int64_t columns) {
      for (int g = 0; from != nullptr && g < gates; ++g)
        f(from + (g * H + u * V) * columns, rows * columns);
    };
    rows_of(p.w_ih, cell.gate_count, I);
    rows_of(p.w_hh, cell.gate_count, P);
    rows_of(p.b_ih, cell.bias_count, 1);
    rows_of(p.b_hh, cell.gate_count, 1);
    rows_of(p.unit, cell.unit_count, 1);
    rows_of(p.gain_ih, cell.gate_count, 1);
    rows_of(p.gain_hh, cell.gate_count, 1);
    rows_of(p.gain_c, 1, 1);
    rows_of(p.bias_c, 1, 1);
  }
  // The same for an output block of the projection.
  template <class F>
  void for_projection_values(const LayerParameters<const Scalar*>& p, std::int64_t o,
                             const F& f) const {
    f(p.w_hr + o * V * H, std::min<std::int64_t>(V, P - o * V) * H);
  }
  // Of output block o.
  void pack_projection(const LayerParameters<const Scalar*>& p, std::int64_t o) {
    pack_lanes(p.w_hr + o * V * H, H, P - o * V, H, w_hr + o * H * V, V);
  }

 private:
  // to[k][slot][V]: the gates' rows of V units, for a few k of each in turn, so that the panel is
  // written from front to back.
  void pack_slots(const Scalar* from, std::int64_t K, std::int64_t units, const int* gate,
                  int count, Scalar* to) const {
    constexpr std::int64_t part = 2 * V;
    for (std::int64_t k = 0; k < K; k += part)
      for (int s = 0; s < count; ++s)
        pack_lanes(from + gate[s] * H * K + k, K, units, std::min(part, K - k),
                   to + (k * count + s) * V, count * V);
  }

  void pack_remainders() {
    const std::int64_t u = units - 1;
    pack_remainder(w_ih + u * I * x_width(), I, cell.x_count, x_remainder, remainder_ih);
    pack_remainder(w_hh + u * P * h_width(), P, cell.h_count, h_remainder, remainder_hh);
    pack_remainder(bias + u * cell.slots * V, 1, cell.x_count, x_remainder, remainder_bias);
  }
  // to[k][vectors][V]: the gates of panel[k][count][V] without what fills them up.
  void pack_remainder(const Scalar* panel, std::int64_t K, int count, int vectors,
                      Scalar* to) const {
    if (vectors == 0) return;
    for (std::int64_t k = 0; k < K; ++k)
      for (int g = 0; g < count; ++g)
        std::memcpy(to + k * vectors * V + g * last, panel + (k * count + g) * V,
                    static_cast<std::size_t>(last) * sizeof(Scalar));
  }

  void pack_bias(const LayerParameters<const Scalar*>& p, std::int64_t u, std::int64_t n) {
    if (p.b_ih == nullptr) return;  // zero since creation
    for (int slot = 0; slot < cell.slots; ++slot) {
      auto sum = zeros<Scalar>();
      const int h = slot - cell.h_first;
      if (slot < cell.x_count && cell.x_gate[slot] < cell.bias_count)
        sum = add(sum, load_first(p.b_ih + cell.x_gate[slot] * H + u * V, n));
      if (h >= 0 && h < cell.h_count)
        sum = add(sum, load_first(p.b_hh + cell.h_gate[h] * H + u * V, n));
      else if (cell.second_product())  // the slot of the second product
        sum = add(sum, load_first(p.b_hh + cell.second_gate * H + u * V, n));
      store(bias + (u * cell.slots + slot) * V, sum);
    }
  }

  void pack_norm(const LayerParameters<const Scalar*>& p, std::int64_t u, std::int64_t n) {
    const auto put = [&](int slot, const Scalar* gain, const Scalar* shift, int gate) {
      Scalar* to = norm + (u * cell.slots + slot) * 2 * V;
      const std::int64_t at = gate * H + u * V;
      store(to, load_first(gain + at, n));
      store(to + V, shift != nullptr ? load_first(shift + at, n) : zeros<Scalar>());
    };
    for (int i = 0; i < cell.x_count; ++i) put(i, p.gain_ih, p.b_ih, cell.x_gate[i]);
    for (int i = 0; i < cell.h_count; ++i) put(cell.h_first + i, p.gain_hh, p.b_hh, cell.h_gate[i]);
    if (cell.memory_slot >= 0) put(cell.memory_slot, p.gain_c, p.bias_c, 0);
  }
};

}  // namespace rnnfast
