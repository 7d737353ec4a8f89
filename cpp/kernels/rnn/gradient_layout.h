// Where the gradients of a layer's weights are summed, and their operands stand, before they are
// added to the parameters' gradients.
#pragma once

#include "kernels/rnn/gradients.h"

namespace rnnfast {

// `K` filled up to whole tiles of a product with `count` vectors per block.
inline std::int64_t padded(std::int64_t K, int count) {
  const int rows = tile_shape(count).rows;
  return (K + rows - 1) / rows * rows;
}

// Where each gradient lies among `products`, each [block][padded k][slots][V], and each left
// operand among `left`.
template <class Scalar>
struct GradientLayout {
  std::int64_t k_ih, k_hh, k_inner;  // padded
  std::int64_t w_ih, w_hh, w_second, w_hr, bias, unit, total;
  std::int64_t left_x, left_h, left_inner, left_total;

  explicit GradientLayout(const PackedLayer<Scalar>& w) {
    constexpr int V = lanes<Scalar>;
    const CellDescriptor& cell = w.cell;
    k_ih = padded(w.I, cell.x_count);
    k_hh = cell.recurrent_product() ? padded(w.P, cell.h_count) : 0;
    k_inner = padded(w.H, 1);
    std::int64_t at = 0;
    const auto take = [&at](std::int64_t size) { return (at += size) - size; };
    w_ih = take(w.units * k_ih * w.x_width());
    w_hh = take(w.units * k_hh * w.h_width());
    w_second = take(cell.second_product() ? w.units * k_inner * V : 0);
    w_hr = take(w.projection ? w.outputs * k_inner * V : 0);
    bias = take(w.units * cell.slots * V);
    unit = take(w.units * cell.unit_count * V);
    total = at;
    at = 0;
    left_x = take(k_ih * kGradientRows);
    left_h = take(k_hh * kGradientRows);
    left_inner = take(cell.second_product() || w.projection ? k_inner * kGradientRows : 0);
    left_total = at;
  }
};

}  // namespace rnnfast
