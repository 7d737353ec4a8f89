#include "time_pooling.h"

#include <algorithm>
#include <cmath>

namespace rnnfast {

namespace {

template <class Scalar>
Scalar share_of(std::int64_t steps) {
  return Scalar(1) / static_cast<Scalar>(std::max<std::int64_t>(steps, 1));
}

// Reads one sequence, whose steps lie `step` numbers apart.
template <class Scalar>
struct Sequence {
  const Scalar* h;
  std::int64_t steps, step, W;

  void last(std::int64_t F, Scalar* to) const {
    const Scalar* const end = h + (steps - 1) * step;
    std::copy(end, end + F, to);
    std::copy(h + F, h + W, to + F);
  }

  void mean(Scalar* __restrict to) const {
    const Scalar share = share_of<Scalar>(steps);  // of each, whose sum may be too large
    for (std::int64_t w = 0; w < W; ++w) to[w] = share * h[w];
    for (std::int64_t t = 1; t < steps; ++t) {
      const Scalar* const x = h + t * step;
      for (std::int64_t w = 0; w < W; ++w) to[w] += share * x[w];
    }
  }

  // NaN where one is.
  void most(Scalar* __restrict to) const {
    std::copy(h, h + W, to);
    for (std::int64_t t = 1; t < steps; ++t) {
      const Scalar* const x = h + t * step;
      for (std::int64_t w = 0; w < W; ++w) {
        const Scalar larger = x[w] > to[w] ? x[w] : to[w];
        to[w] = std::isnan(x[w]) ? x[w] : larger;
      }
    }
  }

  // The first step that has the largest of each number.
  void most_at(const Scalar* __restrict most, std::int32_t* __restrict at) const {
    std::fill(at, at + W, 0);
    for (std::int64_t t = steps - 1; t > 0; --t) {
      const Scalar* const x = h + t * step;
      for (std::int64_t w = 0; w < W; ++w)
        at[w] = x[w] == most[w] ? static_cast<std::int32_t>(t) : at[w];
    }
    for (std::int64_t w = 0; w < W; ++w) at[w] = h[w] == most[w] ? 0 : at[w];
  }
};

}  // namespace

template <class Scalar>
void pool(const PooledSizes& sizes, const Scalar* h, std::int64_t step, std::int64_t row,
          const Pooled<Scalar>& to) {
  const std::int64_t W = sizes.W;
  const auto at = [&](auto* first, std::int64_t b) { return first + b * to.stride; };
  for (std::int64_t b = 0; b < sizes.B; ++b) {
    const Sequence<Scalar> one{h + b * row, sizes.steps(b), step, W};
    if (one.steps == 0) {
      for (Scalar* const part : {to.last, to.mean, to.most})
        if (part != nullptr) std::fill_n(at(part, b), W, Scalar(0));
      if (to.most_at != nullptr) std::fill_n(to.most_at + b * W, W, 0);
      continue;
    }
    if (to.last != nullptr) one.last(sizes.F, at(to.last, b));
    if (to.mean != nullptr) one.mean(at(to.mean, b));
    if (to.most != nullptr) one.most(at(to.most, b));
    if (to.most_at != nullptr) one.most_at(at(to.most, b), to.most_at + b * W);
  }
}

template <class Scalar>
void pool_backward(const PooledSizes& sizes, const PooledGradients<Scalar>& g, Scalar* dh) {
  const std::int64_t W = sizes.W, F = sizes.F, next = sizes.B * W;
  for (std::int64_t t = 0; t < sizes.T; ++t)
    for (std::int64_t b = 0; b < sizes.B; ++b) {
      Scalar* const __restrict to = dh + t * next + b * W;
      const std::int64_t steps = sizes.steps(b);
      if (g.mean == nullptr || t >= steps) {
        std::fill_n(to, W, Scalar(0));
        continue;
      }
      const Scalar* const mean = g.mean + b * g.stride;
      const Scalar share = share_of<Scalar>(steps);
      for (std::int64_t w = 0; w < W; ++w) to[w] = share * mean[w];
    }
  for (std::int64_t b = 0; b < sizes.B; ++b) {
    const std::int64_t steps = sizes.steps(b);
    if (steps == 0) continue;
    Scalar* const first = dh + b * W;
    if (g.last != nullptr) {
      const Scalar* const last = g.last + b * g.stride;
      Scalar* const end = first + (steps - 1) * next;
      for (std::int64_t w = 0; w < F; ++w) end[w] += last[w];
      for (std::int64_t w = F; w < W; ++w) first[w] += last[w];
    }
    if (g.most != nullptr)
      for (std::int64_t w = 0; w < W; ++w)
        first[g.most_at[b * W + w] * next + w] += g.most[b * g.stride + w];
  }
}

template void pool(const PooledSizes&, const float*, std::int64_t, std::int64_t,
                   const Pooled<float>&);
template void pool(const PooledSizes&, const double*, std::int64_t, std::int64_t,
                   const Pooled<double>&);
template void pool_backward(const PooledSizes&, const PooledGradients<float>&, float*);
template void pool_backward(const PooledSizes&, const PooledGradients<double>&, double*);

}  // namespace rnnfast
