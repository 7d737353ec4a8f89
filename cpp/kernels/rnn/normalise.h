// Layer normalisation, y = (x - mean) / sqrt(variance + 1e-5), of a run of slots over all units of
// a row. Sums go through the units in their order, whoever owns the row.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/core/simd.h"

namespace rnnfast {

constexpr double kNormEpsilon = 1e-5;

// Numbers up to this size have squares of which 2^24 can be added.
template <class Scalar>
constexpr Scalar kSquarable = sizeof(Scalar) == 4 ? Scalar(0x1p51) : Scalar(0x1p499);

// y = (x - mean) * scale; the derivative has the factor `slope`.
template <class Scalar>
struct Norm {
  Scalar mean, scale, slope;
};

// Units of a row: blocks `stride` numbers apart, the last one of `last` units. What fills it up is
// zero.
struct RowShape {
  std::int64_t blocks, stride, last, units;
};

// The norm of `Count` vectors a block. Large numbers are first made smaller in place, by a power
// of two, so that neither sum nor squares overflow.
template <int Count, class Scalar>
Norm<Scalar> norm_of_row(Scalar* first, const RowShape& row) {
  constexpr int V = lanes<Scalar>;
  const Vec<Scalar> whole = first_lanes<Scalar>(V), edge = first_lanes<Scalar>(row.last);
  const auto for_vectors = [&](const auto& f) {
    for (std::int64_t block = 0; block < row.blocks; ++block)
#pragma GCC unroll 4
      for (int i = 0; i < Count; ++i) f(i, first + block * row.stride + i * V, block);
  };
  const auto total = [](const Vec<Scalar>(&parts)[Count]) {
    Vec<Scalar> sum = parts[0];
    for (int i = 1; i < Count; ++i) sum = add(sum, parts[i]);
    return horizontal_sum(sum);
  };
  const auto n = static_cast<Scalar>(Count * row.units);
  Vec<Scalar> sum[Count], most[Count];
  for (int i = 0; i < Count; ++i) sum[i] = most[i] = zeros<Scalar>();
  for_vectors([&](int i, const Scalar* at, std::int64_t) {
    const Vec<Scalar> x = load(at);
    sum[i] = add(sum[i], x);
    most[i] = keep_nan_max(absolute(x), most[i]);
  });
  Scalar largest = 0, down = 1;
  for (const auto& one : most) largest = std::max(largest, horizontal_max(one));
  if (largest > kSquarable<Scalar> && std::isfinite(largest)) {
    down = std::ldexp(Scalar(1), std::ilogb(kSquarable<Scalar>) - std::ilogb(largest));
    for (auto& one : sum) one = zeros<Scalar>();
    for_vectors([&](int i, Scalar* at, std::int64_t) {
      const Vec<Scalar> x = mul(load(static_cast<const Scalar*>(at)), broadcast(down));
      store(at, x);
      sum[i] = add(sum[i], x);
    });
  }
  const Scalar mean = total(sum) / n;
  for (auto& one : sum) one = zeros<Scalar>();
  for_vectors([&](int i, const Scalar* at, std::int64_t block) {
    const Vec<Scalar> centred =
        bits_and(sub(load(at), broadcast(mean)), block + 1 < row.blocks ? whole : edge);
    sum[i] = madd(centred, centred, sum[i]);
  });
  const Scalar variance = total(sum) / n;
  const Scalar epsilon = static_cast<Scalar>(kNormEpsilon) * down * down;
  if (variance + epsilon == 0)  // all are the same
    return {mean, 1, 1 / std::sqrt(static_cast<Scalar>(kNormEpsilon))};
  const Scalar scale = 1 / std::sqrt(variance + epsilon);
  return {mean, scale, scale * down};
}

template <class Scalar>
RNNFAST_INLINE Vec<Scalar> normalised(const Norm<Scalar>& norm, const Vec<Scalar>& x) {
  return mul(sub(x, broadcast(norm.mean)), broadcast(norm.scale));
}

// The gradient of x from that of y, dx = slope (dy - mean(dy) - y mean(dy y)): sums over a row, and
// then the result.
template <class Scalar>
struct NormGradient {
  Vec<Scalar> sum = zeros<Scalar>(), along = zeros<Scalar>();
  Scalar mean = 0, mean_along = 0, slope = 0;

  RNNFAST_INLINE void add_vector(const Vec<Scalar>& dy, const Vec<Scalar>& y) {
    sum = add(sum, dy);
    along = madd(dy, y, along);
  }
  void finish(Scalar factor, std::int64_t n) {
    mean = horizontal_sum(sum) / static_cast<Scalar>(n);
    mean_along = horizontal_sum(along) / static_cast<Scalar>(n);
    slope = factor;
  }
  RNNFAST_INLINE Vec<Scalar> operator()(const Vec<Scalar>& dy, const Vec<Scalar>& y) const {
    const Vec<Scalar> rest = sub(sub(dy, broadcast(mean)), mul(y, broadcast(mean_along)));
    return mul(broadcast(slope), rest);
  }
};

}  // namespace rnnfast
