// Where the gradients of a layer's weights are summed, and their operands stand, before they are
// added to the parameters' gradients.
#pragma once

#include "kernels/gemm/row_products.h"
#include "kernels/rnn/gradients.h"

namespace rnnfast {

// `K` filled up to whole tiles of a product with `count` vectors per block.
inline std::int64_t padded(std::int64_t K, int count) {
  const int rows = tile_shape(count).rows;
  return (K + rows - 1) / rows * rows;
}

// Where the sums of some gradients lie among `sums`, each [block][padded k][slots][V], and each
// left operand among `left`. Those of weight matrices are added to the gradients block by block,
// but for indices, whose rows come in any order.
template <class Scalar>
struct GradientLayout {
  std::int64_t k_ih, k_hh, k_inner;  // padded
  std::int64_t w_ih, bias, unit, total;
  std::int64_t left;
  std::int64_t panels;  // of each thread

  // For products of `rows` at most.
  GradientLayout(const PackedLayer<Scalar>& w, bool indexed, std::int64_t rows) {
    constexpr int V = lanes<Scalar>;
    const CellDescriptor& cell = w.cell;
    k_ih = padded(w.I, cell.x_count);
    k_hh = cell.recurrent_product() ? padded(w.P, cell.h_count) : 0;
    k_inner = cell.second_product() || w.projection ? padded(w.H, 1) : 0;
    std::int64_t at = 0;
    const auto take = [&at](std::int64_t size) { return (at += size) - size; };
    w_ih = take(indexed ? w.units * k_ih * w.x_width() : 0);
    bias = take(w.units * cell.slots * V);
    unit = take(w.units * cell.unit_count * V);
    total = at;
    left = std::max({indexed ? 0 : k_ih, k_hh, k_inner}) * rows;
    panels = row_panels<Scalar>(1, k_inner);
    if (!indexed) panels = std::max(panels, row_panels<Scalar>(cell.x_count, k_ih));
    if (k_hh > 0) panels = std::max(panels, row_panels<Scalar>(cell.h_count, k_hh));
  }
};

}  // namespace rnnfast
