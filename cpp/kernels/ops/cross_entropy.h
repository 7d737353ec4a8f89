// What softmax losses share: how a row counts, and rows of logits that stand in memory.
#pragma once

#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/abi/losses.h"
#include "kernels/core/activations.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// Targets with what is the same for all rows worked out.
template <class Scalar>
struct RowTargets {
  const Targets<Scalar>& t;
  std::int64_t V;
  double class_sum;  // of the class weights

  RowTargets(const Targets<Scalar>& targets, std::int64_t classes)
      : t(targets), V(classes), class_sum(static_cast<double>(classes)) {
    if (t.class_weights == nullptr) return;
    class_sum = 0;
    for (std::int64_t v = 0; v < V; ++v) class_sum += static_cast<double>(t.class_weights[v]);
  }

  bool counts(std::int64_t r) const { return t.classes[r] != t.ignore; }
  double weight(std::int64_t r) const {
    return t.row_weights != nullptr ? static_cast<double>(t.row_weights[r]) : 1.0;
  }
  // Factors of the target's term and of the sum over all classes.
  double on_target(std::int64_t r) const {
    const double c =
        t.class_weights != nullptr ? static_cast<double>(t.class_weights[t.classes[r]]) : 1.0;
    return (1 - t.smoothing) * c;
  }
  double on_all() const { return t.smoothing / static_cast<double>(V); }
  // Of the softmax, in the gradient.
  double on_softmax(std::int64_t r) const { return on_target(r) + on_all() * class_sum; }

  // The loss from lse = log(sum exp(x)), the target's logit, and sum over v of c[v] x[v] (read
  // only with smoothing). Differences first: logits may be large.
  double loss(std::int64_t r, double lse, double logit, double weighted_sum) const {
    double value = on_target(r) * (lse - logit);
    if (t.smoothing > 0) value += on_all() * (class_sum * lse - weighted_sum);
    return weight(r) * value;
  }
};

namespace detail {

// Vectors of a row whose last one is filled up with `fill`.
template <class Scalar>
Vec<Scalar> load_filled(const Scalar* from, std::int64_t count, Scalar fill) {
  if (count >= lanes<Scalar>) return load(from);
  alignas(64) Scalar buffer[lanes<Scalar>];
  for (std::int64_t i = 0; i < lanes<Scalar>; ++i) buffer[i] = i < count ? from[i] : fill;
  return load(static_cast<const Scalar*>(buffer));
}

template <class Scalar>
Scalar row_max(const Scalar* x, std::int64_t V) {
  constexpr Scalar least = -std::numeric_limits<Scalar>::infinity();
  auto greatest = broadcast<Scalar>(least);
  for (std::int64_t v = 0; v < V; v += lanes<Scalar>)
    greatest = keep_nan_max(load_filled(x + v, V - v, least), greatest);
  return horizontal_max(greatest);
}

// Sum of exp(x - shift); with `to`, the terms go there.
template <class Scalar>
Scalar exp_sum(const Scalar* x, std::int64_t V, Scalar shift, Scalar* to) {
  const auto s = broadcast(shift);
  auto sum = zeros<Scalar>();
  const auto term = [&](const auto& raw) {
    const auto e = exp_nonpositive<Scalar>(sub(raw, s));
    sum = add(sum, e);
    return e;
  };
  std::int64_t v = 0;
  for (; v + lanes<Scalar> <= V; v += lanes<Scalar>) {
    const auto e = term(load(x + v));
    if (to != nullptr) store(to + v, e);
  }
  if (v < V) {
    const auto e = term(load_filled(x + v, V - v, -std::numeric_limits<Scalar>::infinity()));
    if (to != nullptr) store_first(to + v, e, V - v);
  }
  return horizontal_sum(sum);
}

// to[v] = x[v] * factor - weights[v] * shift, weights null: 1.
template <class Scalar>
void scale_row(const Scalar* x, std::int64_t V, Scalar factor, const Scalar* weights, Scalar shift,
               Scalar* to) {
  const auto f = broadcast(factor), s = broadcast(-shift);
  for (std::int64_t v = 0; v < V; v += lanes<Scalar>) {
    const auto w = weights != nullptr ? mul(load_first(weights + v, V - v), s) : s;
    store_first(to + v, madd(load_first(x + v, V - v), f, w), V - v);
  }
}

template <class Scalar>
double weighted_row_sum(const Scalar* x, const Scalar* weights, std::int64_t V) {
  double sum = 0;
  for (std::int64_t v = 0; v < V; ++v)
    sum += static_cast<double>(x[v]) * (weights != nullptr ? static_cast<double>(weights[v]) : 1.0);
  return sum;
}

}  // namespace detail

template <class Scalar>
Status cross_entropy(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits,
                     const Targets<Scalar>& targets, double* loss, Scalar* dlogits, int threads) {
  const RowTargets<Scalar> rows(targets, V);
  Buffer<double> losses;
  if (!losses.reserve(R)) return Status::out_of_memory;
  parallel(useful_threads(threads, R * V, 1 << 15), [&](int rank, int size) {
    const Range mine = share(R, rank, size);
    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
      const Scalar* x = logits.data + r * logits.stride;
      Scalar* const dx = dlogits != nullptr ? dlogits + r * V : nullptr;
      losses[r] = 0;
      if (!rows.counts(r)) {
        if (dx != nullptr) std::fill(dx, dx + V, Scalar(0));
        continue;
      }
      const Scalar shift = detail::row_max(x, V);
      const double sum = static_cast<double>(detail::exp_sum(x, V, shift, dx));
      const double weighted =
          targets.smoothing > 0 ? detail::weighted_row_sum(x, targets.class_weights, V) : 0;
      const std::int64_t t = targets.classes[r];
      losses[r] = rows.loss(r, static_cast<double>(shift) + std::log(sum),
                            static_cast<double>(x[t]), weighted);
      if (dx == nullptr) continue;
      const double scale = targets.scale * rows.weight(r);
      detail::scale_row<Scalar>(dx, V, static_cast<Scalar>(scale * rows.on_softmax(r) / sum),
                                targets.class_weights, static_cast<Scalar>(scale * rows.on_all()),
                                dx);
      dx[t] -= static_cast<Scalar>(scale * rows.on_target(r));
    }
  });
  *loss = 0;
  for (std::int64_t r = 0; r < R; ++r) *loss += losses[r];
  return Status::ok;
}

template <class Scalar>
Status softmax(std::int64_t R, std::int64_t V, Matrix<const Scalar> x, bool logarithm, Scalar* y,
               int threads) {
  std::atomic<bool> finite{true};
  parallel(useful_threads(threads, R * V, 1 << 15), [&](int rank, int size) {
    const Range mine = share(R, rank, size);
    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
      const Scalar* const from = x.data + r * x.stride;
      Scalar* const to = y + r * V;
      const Scalar shift = detail::row_max(from, V);
      const Scalar sum = detail::exp_sum<Scalar>(from, V, shift, logarithm ? nullptr : to);
      // NaN from NaN, from infinity, and where all are minus infinity.
      if (std::isnan(sum)) finite.store(false, std::memory_order_relaxed);
      if (logarithm) {
        // (x - max) - log(sum): the two differences are small, their sum may not be.
        const Scalar log_sum = std::log(sum);
        for (std::int64_t v = 0; v < V; ++v) to[v] = (from[v] - shift) - log_sum;
      } else {
        detail::scale_row<Scalar>(to, V, 1 / sum, nullptr, 0, to);
      }
    }
  });
  return finite ? Status::ok : Status::not_finite;
}

}  // namespace rnnfast
