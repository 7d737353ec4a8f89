// A layer's weights as backpropagation reads them, where k runs over (unit block, slot, lane) as
// gradients are stored. They are made of the packed ones for the time of a way through the layer.
//
//   w_ih      [input block][k][V]                   w_hh      [output block][k][V]
//   w_second  [unit block][k][V]                    w_hr      [unit block][k < padded P][V]
#pragma once

#include "kernels/gemm/pack.h"

namespace rnnfast {

template <class Scalar>
class Transposed {
  static constexpr int V = lanes<Scalar>;

 public:
  Scalar *w_ih = nullptr, *w_hh = nullptr, *w_second = nullptr, *w_hr = nullptr;

  // In `memory` of at least `size` numbers. `with_input`: what the gradient of the input reads too.
  Transposed() = default;
  Transposed(const PackedLayer<Scalar>& from, bool with_input, Scalar* memory) {
    const Sizes sizes(from, with_input);
    Scalar** const parts[] = {&w_ih, &w_hh, &w_second, &w_hr};
    for (int i = 0; i < 4; ++i) {
      if (sizes.of[i] > 0) *parts[i] = memory;
      memory += sizes.of[i];
    }
  }
  static std::int64_t size(const PackedLayer<Scalar>& from, bool with_input) {
    return sum_of(Sizes(from, with_input).of);
  }

  // Fills a thread's share.
  void fill(const PackedLayer<Scalar>& from, int member, int members) const {
    const std::int64_t units = from.units;
    const Range mine = share(units, member, members);
    for (std::int64_t u = mine.begin; u < mine.end; ++u) {
      if (w_ih != nullptr) spread(from.w_ih, from.I, from.cell.x_count, u, units, w_ih);
      if (w_hh != nullptr) spread(from.w_hh, from.P, from.cell.h_count, u, units, w_hh);
      if (w_second != nullptr) spread(from.w_second, from.H, 1, u, units, w_second);
    }
    if (w_hr == nullptr) return;
    const Range outputs = share(from.outputs, member, members);
    for (std::int64_t o = outputs.begin; o < outputs.end; ++o)
      spread(from.w_hr, from.H, 1, o, from.outputs, w_hr);
  }

 private:
  struct Sizes {
    std::int64_t of[4];
    Sizes(const PackedLayer<Scalar>& w, bool with_input)
        : of{with_input ? product_of(w.inputs, w.units, w.x_width(), V) : 0,
             product_of(w.outputs, w.units, w.h_width(), V),
             w.cell.second_product() ? product_of(w.units, w.units, V, V) : 0,
             w.projection ? product_of(w.units, w.outputs, V, V) : 0} {}
  };

  // Block b of a panel [block][k < K][slot][V]: to its place in [block of k][block][slot][lane][V].
  static void spread(const Scalar* from, std::int64_t K, int count, std::int64_t b,
                     std::int64_t blocks, Scalar* to) {
    for (std::int64_t k = 0; k < K; k += V)
      for (int s = 0; s < count; ++s)
        pack_lanes(from + ((b * K + k) * count + s) * V, count * V, K - k, V,
                   to + ((k / V * blocks + b) * count + s) * V * V, V);
  }
};

}  // namespace rnnfast
