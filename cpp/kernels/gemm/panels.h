// The right operand of a product, cut in panels: runs of one to four vectors of columns that a
// tile reads from front to back.
#pragma once

#include "kernels/gemm/tile.h"
#include "kernels/gemm/transpose.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// How N columns are cut: as few panels as can be, as equal as can be.
template <class Scalar>
class Panels {
 public:
  static constexpr int V = lanes<Scalar>;

  explicit Panels(std::int64_t columns)
      : columns_(columns), vectors_(ceil_div(columns, V)), count_(ceil_div(vectors_, 4)) {}

  std::int64_t count() const { return count_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t padded() const { return vectors_ * V; }
  int widest() const { return count_ == 0 ? 1 : static_cast<int>(ceil_div(vectors_, count_)); }
  // First column of panel p; padded() for p = count().
  std::int64_t begin(std::int64_t p) const {
    return count_ == 0 ? 0 : (p * (vectors_ / count_) + std::min(p, vectors_ % count_)) * V;
  }
  int width(std::int64_t p) const { return static_cast<int>((begin(p + 1) - begin(p)) / V); }

 private:
  std::int64_t columns_, vectors_, count_;
};

// Where B (K, N) comes from: packed before, panel after panel, each (K, width * V); or plain, with
// element (k, n) at data[k * stride + n] or at data[n * stride + k].
template <class Scalar>
struct RightPacked {
  const Scalar* data;
  std::int64_t K;
};
template <class Scalar>
struct RightByRows {
  const Scalar* data;
  std::int64_t stride;
};
template <class Scalar>
struct RightByColumns {
  const Scalar* data;
  std::int64_t stride;
};

// Copies rows [k0, k0 + depth) of panel p to `to`, (depth, width * V); 0 beyond the last column.
template <class Scalar>
void pack_panel(const RightByColumns<Scalar>& right, const Panels<Scalar>& panels, std::int64_t p,
                std::int64_t k0, std::int64_t depth, Scalar* to) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t n0 = panels.begin(p), width = panels.begin(p + 1) - n0;
  for (std::int64_t n = 0; n < width; n += V) {
    const std::int64_t columns = std::min<std::int64_t>(V, panels.columns() - n0 - n);
    pack_lanes(right.data + (n0 + n) * right.stride + k0, right.stride, columns, depth, to + n,
               width);
  }
}

// Panels of a block of columns, ready for tiles: where each one's rows [k0, k0 + depth) stand.
constexpr std::int64_t kPanelGroup = 32;

template <class Scalar>
void gather_panels(const RightPacked<Scalar>& right, const Panels<Scalar>& panels, Range group,
                   std::int64_t k0, std::int64_t, Scalar*, const Scalar** at) {
  for (std::int64_t p = group.begin; p < group.end; ++p) {
    const std::int64_t width = panels.begin(p + 1) - panels.begin(p);
    *at++ = right.data + panels.begin(p) * right.K + k0 * width;
  }
}
template <class Scalar>
void gather_panels(const RightByColumns<Scalar>& right, const Panels<Scalar>& panels, Range group,
                   std::int64_t k0, std::int64_t depth, Scalar* scratch, const Scalar** at) {
  for (std::int64_t p = group.begin; p < group.end; ++p) {
    pack_panel(right, panels, p, k0, depth, scratch);
    *at++ = scratch;
    scratch += depth * (panels.begin(p + 1) - panels.begin(p));
  }
}
// Plain rows are read once, from end to end.
template <class Scalar>
void gather_panels(const RightByRows<Scalar>& right, const Panels<Scalar>& panels, Range group,
                   std::int64_t k0, std::int64_t depth, Scalar* scratch, const Scalar** at) {
  const std::int64_t first = panels.begin(group.begin);
  for (std::int64_t p = group.begin; p < group.end; ++p)
    at[p - group.begin] = scratch + depth * (panels.begin(p) - first);
  for (std::int64_t k = 0; k < depth; ++k) {
    const Scalar* const from = right.data + (k0 + k) * right.stride;
    for (std::int64_t p = group.begin; p < group.end; ++p) {
      const std::int64_t begin = panels.begin(p), width = panels.begin(p + 1) - begin;
      Scalar* const to = scratch + depth * (begin - first) + k * width;
      for (std::int64_t n = 0; n < width; n += lanes<Scalar>)
        store(to + n, load_first(from + begin + n, panels.columns() - begin - n));
    }
  }
}

}  // namespace rnnfast
