// A layer's weights as backpropagation reads them, where k runs over (unit block, slot, lane) as
// gradients are stored. They are made of the packed ones for the time of a way through the layer.
//
//   w_ih      [input block][k][V]                   w_hh      [output block][k][V]
//   w_second  [unit block][k][V]                    w_hr      [unit block][k < padded P][V]
#pragma once

#include "kernels/gemm/pack.h"

namespace rnnfast {

// What of it is there.
enum class TransposedParts {
  of_states,  // not what the gradient of the input reads, which is not wanted
  all,
  in_turns,  // that in the place of the others, once they are not needed any more
};

template <class Scalar>
class Transposed {
  static constexpr int V = lanes<Scalar>;

 public:
  Scalar *w_ih = nullptr, *w_hh = nullptr, *w_second = nullptr, *w_hr = nullptr;

  // In `memory` of at least `size` numbers.
  Transposed() = default;
  Transposed(const PackedLayer<Scalar>& from, TransposedParts parts, Scalar* memory)
      : parts_(parts) {
    const Sizes sizes(from);
    if (parts != TransposedParts::of_states) w_ih = memory;
    if (parts == TransposedParts::all) memory += sizes.w_ih;
    Scalar** const others[] = {&w_hh, &w_second, &w_hr};
    for (int i = 0; i < 3; ++i) {
      if (sizes.others[i] > 0) *others[i] = memory;
      memory += sizes.others[i];
    }
  }
  static std::int64_t size(const PackedLayer<Scalar>& from, TransposedParts parts) {
    const Sizes sizes(from);
    const std::int64_t others = sum_of(sizes.others);
    return parts == TransposedParts::of_states ? others
           : parts == TransposedParts::all     ? sum_of({sizes.w_ih, others})
                                               : std::max(sizes.w_ih, others);
  }
  bool in_turns() const { return parts_ == TransposedParts::in_turns; }

  // Fills a thread's share of what is there at first.
  void fill(const PackedLayer<Scalar>& from, int member, int members) const {
    if (parts_ == TransposedParts::all) fill_input(from, member, members);
    const Range mine = share(from.units, member, members);
    for (std::int64_t u = mine.begin; u < mine.end; ++u) {
      if (w_hh != nullptr) spread(from.w_hh, from.P, from.cell.h_count, u, from.units, w_hh);
      if (w_second != nullptr) spread(from.w_second, from.H, 1, u, from.units, w_second);
    }
    if (w_hr == nullptr) return;
    const Range outputs = share(from.outputs, member, members);
    for (std::int64_t o = outputs.begin; o < outputs.end; ++o)
      spread(from.w_hr, from.H, 1, o, from.outputs, w_hr);
  }
  // The same of what the gradient of the input reads.
  void fill_input(const PackedLayer<Scalar>& from, int member, int members) const {
    const Range mine = share(from.units, member, members);
    for (std::int64_t u = mine.begin; u < mine.end; ++u)
      spread(from.w_ih, from.I, from.cell.x_count, u, from.units, w_ih);
  }

 private:
  struct Sizes {
    std::int64_t w_ih, others[3];
    explicit Sizes(const PackedLayer<Scalar>& w)
        : w_ih(product_of(w.inputs, w.units, w.x_width(), V)),
          others{product_of(w.outputs, w.units, w.h_width(), V),
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

  TransposedParts parts_ = TransposedParts::of_states;
};

}  // namespace rnnfast
