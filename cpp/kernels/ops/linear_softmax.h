// The output layer of a classifier in one piece: logits, softmax, loss and gradients by chunks of
// rows, so that R x V logits are never all in memory.
//
// A chunk's logits stand transposed, (V, rows): W is then a left operand that needs no packing, the
// softmax runs over whole vectors of rows, and no class or row is padded.
#pragma once

#include "kernels/gemm/multiply.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/narrow_softmax.h"

namespace rnnfast {

namespace detail {

// Rows that share a pass over the classes, in vectors.
constexpr int kStripVectors = 4;
template <class Scalar>
constexpr std::int64_t kStrip = kStripVectors * lanes<Scalar>;

// Classes whose terms make one partial sum: short chains round less.
constexpr std::int64_t kClassBlock = 128;

// The rows of a chunk: a multiple of kDepth, so that gradients sum over rows in the same blocks
// however many chunks there are. As many as leave the logits in cache; of more classes, whose
// logits do not fit anyway, some 32 MB, to go through the weights seldom.
template <class Scalar>
std::int64_t chunk_rows(std::int64_t R, std::int64_t V, int threads) {
  const auto fitting = [V](std::int64_t megabytes) {
    const std::int64_t row_bytes = V * static_cast<std::int64_t>(sizeof(Scalar));
    return (megabytes << 20) / row_bytes / kDepth * kDepth;
  };
  const std::int64_t least = ceil_div(std::int64_t(threads) * kStrip<Scalar>, kDepth) * kDepth;
  std::int64_t rows = fitting(threads);
  if (rows < least) rows = std::max(least, fitting(32));
  return std::min({R, rows, 16 * least});
}

// A strip of rows: logits to their gradients in place, or to nothing.
template <class Scalar>
class SoftmaxStrip {
  static constexpr int S = kStripVectors;
  static constexpr int V = lanes<Scalar>;
  using Vector = Vec<Scalar>;

 public:
  SoftmaxStrip(const RowTargets<Scalar>& targets, Scalar* logits, std::int64_t stride)
      : targets_(targets), logits_(logits), stride_(stride) {}

  // Rows [first, first + count) of the problem, count <= kStrip, the strip's columns from
  // `column` on. With `backward`, sums[v] becomes the sum of the gradients over the rows.
  void run(std::int64_t first, std::int64_t count, std::int64_t column, bool backward,
           double* losses, Scalar* sums) {
    at_ = logits_ + column;
    if (count < kStrip<Scalar>) clear_after(count);
    find_max();
    alignas(64) Scalar target_logit[kStrip<Scalar>], factor[kStrip<Scalar>] = {},
                                                     shift[kStrip<Scalar>] = {};
    for (std::int64_t r = 0; r < count; ++r)
      if (targets_.counts(first + r))
        target_logit[r] = at_[targets_.t.classes[first + r] * stride_ + r];
    sum_exp(backward);
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t row = first + r;
      losses[row] = 0;
      if (!targets_.counts(row)) continue;
      const double sum = static_cast<double>(sum_[r]);
      losses[row] =
          targets_.loss(row, static_cast<double>(max_[r]) + std::log(sum),
                        static_cast<double>(target_logit[r]), static_cast<double>(weighted_[r]));
      const double scale = targets_.t.scale * targets_.weight(row);
      factor[r] = static_cast<Scalar>(scale * targets_.on_softmax(row) / sum);
      shift[r] = static_cast<Scalar>(scale * targets_.on_all());
    }
    if (!backward) return;
    scale_terms(factor, shift, sums);
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t row = first + r;
      if (!targets_.counts(row)) continue;
      const std::int64_t t = targets_.t.classes[row];
      const auto part =
          static_cast<Scalar>(targets_.t.scale * targets_.weight(row) * targets_.on_target(row));
      at_[t * stride_ + r] -= part;
      sums[t] -= part;
    }
  }

 private:
  void clear_after(std::int64_t count) {
    for (std::int64_t v = 0; v < targets_.V; ++v)
      std::fill(at_ + v * stride_ + count, at_ + v * stride_ + kStrip<Scalar>, Scalar(0));
  }

  // max_ and, with smoothing, weighted_: the sums of c[v] x[v].
  void find_max() {
    Vector greatest[S], weighted[S];
    for (int s = 0; s < S; ++s) {
      greatest[s] = broadcast(-std::numeric_limits<Scalar>::infinity());
      weighted[s] = zeros<Scalar>();
    }
    const Scalar* x = at_;
    const bool smooth = targets_.t.smoothing > 0;
    for (std::int64_t v0 = 0; v0 < targets_.V; v0 += kClassBlock) {
      Vector part[S];
      for (int s = 0; s < S; ++s) part[s] = zeros<Scalar>();
      const std::int64_t v1 = std::min(targets_.V, v0 + kClassBlock);
      for (std::int64_t v = v0; v < v1; ++v, x += stride_) {
        const auto c = broadcast(class_weight(v));
#pragma GCC unroll 4
        for (int s = 0; s < S; ++s) {
          const auto value = load(x + s * V);
          greatest[s] = keep_nan_max(value, greatest[s]);
          if (smooth) part[s] = madd(c, value, part[s]);
        }
      }
      for (int s = 0; s < S; ++s) weighted[s] = add(weighted[s], part[s]);
    }
    for (int s = 0; s < S; ++s) {
      store(max_ + s * V, greatest[s]);
      store(weighted_ + s * V, weighted[s]);
    }
  }

  // sum_ of exp(x - max); with `keep`, the terms take the logits' place.
  void sum_exp(bool keep) {
    Vector max[S], sum[S];
    for (int s = 0; s < S; ++s) {
      max[s] = load(static_cast<const Scalar*>(max_ + s * V));
      sum[s] = zeros<Scalar>();
    }
    Scalar* x = at_;
    for (std::int64_t v0 = 0; v0 < targets_.V; v0 += kClassBlock) {
      Vector part[S];
      for (int s = 0; s < S; ++s) part[s] = zeros<Scalar>();
      const std::int64_t v1 = std::min(targets_.V, v0 + kClassBlock);
      for (std::int64_t v = v0; v < v1; ++v, x += stride_) {
#pragma GCC unroll 4
        for (int s = 0; s < S; ++s) {
          const auto value = load(static_cast<const Scalar*>(x + s * V));
          const auto e = exp_nonpositive<Scalar>(sub(value, max[s]));
          part[s] = add(part[s], e);
          if (keep) store(x + s * V, e);
        }
      }
      for (int s = 0; s < S; ++s) sum[s] = add(sum[s], part[s]);
    }
    for (int s = 0; s < S; ++s) store(sum_ + s * V, sum[s]);
  }

  // x = x * factor - c[v] * shift, and 0 where factor is 0: rows that do not count.
  void scale_terms(const Scalar* factor, const Scalar* shift, Scalar* sums) {
    Vector f[S], d[S], dead[S];
    for (int s = 0; s < S; ++s) {
      f[s] = load(factor + s * V);
      d[s] = load(shift + s * V);
      dead[s] = equal(f[s], zeros<Scalar>());
    }
    const bool smooth = targets_.t.smoothing > 0;
    Scalar* x = at_;
    for (std::int64_t v = 0; v < targets_.V; ++v, x += stride_) {
      const auto c = broadcast(-class_weight(v));
      Vector total = zeros<Scalar>();
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) {
        auto value = mul(load(static_cast<const Scalar*>(x + s * V)), f[s]);
        if (smooth) value = madd(c, d[s], value);
        value = bits_without(value, dead[s]);
        store(x + s * V, value);
        total = add(total, value);
      }
      sums[v] = horizontal_sum(total);
    }
  }

  Scalar class_weight(std::int64_t v) const {
    return targets_.t.class_weights != nullptr ? targets_.t.class_weights[v] : Scalar(1);
  }

  const RowTargets<Scalar>& targets_;
  Scalar* logits_;
  Scalar* at_ = nullptr;
  std::int64_t stride_;
  alignas(64) Scalar max_[kStrip<Scalar>], sum_[kStrip<Scalar>], weighted_[kStrip<Scalar>];
};

// Products as the problem wants them: of numbers as they are, or rounded ones.
template <class Scalar>
class Products {
 public:
  bool reserve(const RoundedProduct* rounded, int threads) {
    rounded_ = rounded;
    threads_ = threads;
    if (rounded == nullptr) return scratch_.reserve(kScratch<Scalar> * threads);
    const auto size = static_cast<std::int64_t>(sizeof(Scalar));
    return scratch_.reserve(ceil_div(rounded->scratch_bytes(threads), size));
  }

  template <class Left, class Right>
  void multiply(std::int64_t M, std::int64_t N, std::int64_t K, const Left& left,
                const Right& right, const Target<Scalar>& target) {
    if constexpr (std::is_same_v<Scalar, float>)
      if (rounded_ != nullptr)
        return rounded_->run(
            M, N, K, {{left.data, left.stride}, std::is_same_v<Left, LeftByColumns<float>>},
            {{right.data, right.stride}, std::is_same_v<Right, RightByColumns<float>>},
            {target.data, target.stride, target.bias, target.start == Start::add}, scratch_.data(),
            threads_);
    rnnfast::multiply(M, N, K, left, right, target, scratch_.data(), threads_);
  }

 private:
  const RoundedProduct* rounded_ = nullptr;
  int threads_ = 1;
  Buffer<Scalar> scratch_;
};

}  // namespace detail

template <class Scalar>
Status linear_cross_entropy(const LinearCrossEntropy<Scalar>& problem, double* loss, int threads) {
  if (problem.product == nullptr && is_narrow(problem))
    return narrow_cross_entropy(problem, loss, threads);
  constexpr std::int64_t strip = detail::kStrip<Scalar>;
  const std::int64_t R = problem.shape.R, I = problem.shape.I, V = problem.shape.O;
  const RowTargets<Scalar> targets(problem.targets, V);
  const std::int64_t rows = detail::chunk_rows<Scalar>(R, V, threads);
  const std::int64_t strips = ceil_div(rows, strip);
  // Not a whole number of pages from class to class: those would share their place in the cache.
  const std::int64_t stride = strips * strip + 64 / static_cast<std::int64_t>(sizeof(Scalar));
  const bool backward = problem.backward;
  Buffer<Scalar> logits, sums;
  detail::Products<Scalar> products;
  Buffer<double> losses;
  if (!logits.reserve(product_of(V, stride)) ||
      !sums.reserve(backward ? product_of(strips, V) : 0) ||
      !products.reserve(problem.product, threads) || !losses.reserve(R))
    return Status::out_of_memory;

  for (std::int64_t r0 = 0; r0 < R; r0 += rows) {
    const std::int64_t n = std::min(rows, R - r0);
    const Scalar* const h = problem.h.data + r0 * problem.h.stride;
    const Start start = problem.bias != nullptr ? Start::row_bias : Start::zero;
    products.multiply(V, n, I, LeftByRows<Scalar>{problem.weight, I},
                      RightByColumns<Scalar>{h, problem.h.stride},
                      {logits.data(), stride, start, problem.bias});
    const std::int64_t parts = ceil_div(n, strip);
    parallel(useful_threads(threads, n * V, 1 << 15), [&](int rank, int size) {
      const Range mine = share(parts, rank, size);
      detail::SoftmaxStrip<Scalar> softmax(targets, logits.data(), stride);
      for (std::int64_t s = mine.begin; s < mine.end; ++s)
        softmax.run(r0 + s * strip, std::min(strip, n - s * strip), s * strip, backward,
                    losses.data(), backward ? sums.data() + s * V : nullptr);
    });
    if (!backward) continue;
    if (problem.dh.data != nullptr)
      products.multiply(
          n, I, V, LeftByColumns<Scalar>{logits.data(), stride},
          RightByRows<Scalar>{problem.weight, I},
          {problem.dh.data + r0 * problem.dh.stride, problem.dh.stride, Start::zero, nullptr});
    if (problem.dweight != nullptr)
      products.multiply(V, I, n, LeftByRows<Scalar>{logits.data(), stride},
                        RightByRows<Scalar>{h, problem.h.stride},
                        {problem.dweight, I, Start::add, nullptr});
    if (problem.dbias != nullptr)
      for (std::int64_t s = 0; s < parts; ++s)
        for (std::int64_t v = 0; v < V; ++v) problem.dbias[v] += sums[s * V + v];
  }
  *loss = 0;
  for (std::int64_t r = 0; r < R; ++r) *loss += losses[r];
  return Status::ok;
}

}  // namespace rnnfast
