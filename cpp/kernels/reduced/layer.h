// The weights of a stack of layers in smaller numbers.
#pragma once

#include <memory>
#include <new>

#include "kernels/abi/recurrent.h"
#include "kernels/reduced/matrix.h"
#include "kernels/reduced/pointwise.h"

namespace rnnfast::reduced {

// One layer's direction.
template <class N>
struct Layer {
  CellDescriptor cell;
  std::int64_t I, H, P, blocks;
  Matrix<N> ih, hh, second, hr;
  // Blocks up to `padded_blocks`: of the slots that the input's product feeds, of all, of units.
  Buffer<float> x_bias, bias, unit;

  bool create(const StackShape& shape, int layer) {
    const int first = 0;
    cell = *shape.cell;
    I = shape.input_of(layer);
    H = shape.H;
    P = shape.P;
    blocks = padded_blocks(H);
    return ih.create(H, I, cell.x_gate, cell.x_count) &&
           hh.create(H, P, cell.h_gate, cell.h_count) &&
           (!cell.second_product() || second.create(H, H, &cell.second_gate, 1)) &&
           (!shape.projection || hr.create(P, H, &first, 1)) &&
           x_bias.reserve_zeroed(blocks * cell.x_count * V) &&
           bias.reserve_zeroed(blocks * cell.slots * V) &&
           unit.reserve_zeroed(blocks * cell.unit_count * V);
  }

  std::int64_t bytes() const { return ih.bytes() + hh.bytes() + second.bytes() + hr.bytes(); }

  void pack(const LayerParameters<const float*>& p, int rank, int size) {
    const auto pack = [&](Matrix<N>& matrix, const float* from) {
      const Range mine = share(matrix.panels, rank, size);
      for (std::int64_t panel = mine.begin; panel < mine.end; ++panel) matrix.pack(from, panel);
    };
    pack(ih, p.w_ih);
    pack(hh, p.w_hh);
    if (second.units > 0) pack(second, p.w_hh);
    if (hr.units > 0) pack(hr, p.w_hr);
    if (rank == 0) pack_units(p);
  }

 private:
  void pack_units(const LayerParameters<const float*>& p) {
    for (std::int64_t u = 0; u < H; ++u) {
      const std::int64_t block = u / V, v = u % V;
      for (int g = 0; g < cell.unit_count; ++g)
        unit[(block * cell.unit_count + g) * V + v] = p.unit[g * H + u];
      if (p.b_ih == nullptr) continue;
      for (int slot = 0; slot < cell.slots; ++slot) {
        float sum = 0;
        const int h = slot - cell.h_first;
        if (slot < cell.x_count) sum += p.b_ih[cell.x_gate[slot] * H + u];
        if (h >= 0 && h < cell.h_count)
          sum += p.b_hh[cell.h_gate[h] * H + u];
        else if (cell.second_product())
          sum += p.b_hh[cell.second_gate * H + u];
        bias[(block * cell.slots + slot) * V + v] = sum;
        if (slot < cell.x_count) x_bias[(block * cell.x_count + slot) * V + v] = sum;
      }
    }
  }
};

// The opaque Packed of the table.
template <class N>
struct Stack {
  StackShape shape;
  const ReducedCell* cell;
  std::unique_ptr<Layer<N>[]> layers;  // L*D

  static Stack* create(const StackShape& shape) {
    std::unique_ptr<Stack> stack(new (std::nothrow) Stack);
    if (!stack) return nullptr;
    stack->shape = shape;
    stack->cell = reduced_cell(*shape.cell);
    stack->layers.reset(new (std::nothrow) Layer<N>[shape.L * shape.D]);
    if (!stack->layers) return nullptr;
    for (int i = 0; i < shape.L * shape.D; ++i)
      if (!stack->layers[i].create(shape, i / shape.D)) return nullptr;
    return stack.release();
  }

  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (int i = 0; i < shape.L * shape.D; ++i) sum += layers[i].bytes();
    return sum;
  }

  Status pack(const LayerParameters<const float*>* parameters, int threads) {
    parallel(useful_threads(threads, bytes(), 1 << 17), [&](int rank, int size) {
      for (int i = 0; i < shape.L * shape.D; ++i) layers[i].pack(parameters[i], rank, size);
    });
    return Status::ok;
  }
};

}  // namespace rnnfast::reduced
