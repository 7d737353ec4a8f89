// The loss of an adaptive softmax: that of the head over all rows, and of each cluster over those
// rows whose target it holds.
#pragma once

#include "kernels/abi/adaptive.h"
#include "kernels/ops/linear_softmax.h"

namespace rnnfast {

namespace detail {

// No row of a cluster, and no class.
constexpr std::int64_t kNoClass = -1;

// Which rows a cluster is asked about, with what it reads and gives.
template <class Scalar>
class ClusterRows {
 public:
  // At most `most` rows of I inputs and P projections.
  bool reserve(std::int64_t most, std::int64_t I, std::int64_t P, bool backward) {
    return rows_.reserve(most) && classes_.reserve(most) && weights_.reserve(most) &&
           h_.reserve(product_of(most, I)) && p_.reserve(product_of(most, P)) &&
           (!backward || (dh_.reserve(product_of(most, I)) && dp_.reserve(product_of(most, P))));
  }

  Status run(const AdaptiveCrossEntropy<Scalar>& problem, const AdaptiveCluster<Scalar>& cluster,
             Scalar* scratch, double* loss, int threads) {
    const LinearCrossEntropy<Scalar>& all = problem.head;
    const std::int64_t I = all.shape.I, P = cluster.P;
    const std::int64_t n = gather(all, cluster);
    *loss = 0;
    if (n == 0) return Status::ok;
    multiply(n, P, I, LeftByRows<Scalar>{h_.data(), I}, RightByColumns<Scalar>{cluster.down, I},
             Target<Scalar>{p_.data(), P, Start::zero, nullptr}, scratch, threads);
    LinearCrossEntropy<Scalar> part = {};
    part.shape = {n, P, cluster.size};
    part.h = {p_.data(), P};
    part.weight = cluster.up;
    part.targets = all.targets;
    part.targets.classes = classes_.data();
    part.targets.ignore = kNoClass;
    part.targets.row_weights = all.targets.row_weights != nullptr ? weights_.data() : nullptr;
    part.backward = all.backward;
    part.dh = {all.backward ? dp_.data() : nullptr, P};
    part.dweight = cluster.dup;
    const Status status = linear_cross_entropy(part, loss, threads);
    if (status != Status::ok || !all.backward) return status;
    multiply(P, I, n, LeftByColumns<Scalar>{dp_.data(), P}, RightByRows<Scalar>{h_.data(), I},
             Target<Scalar>{cluster.ddown, I, Start::add, nullptr}, scratch, threads);
    multiply(n, I, P, LeftByRows<Scalar>{dp_.data(), P}, RightByRows<Scalar>{cluster.down, I},
             Target<Scalar>{dh_.data(), I, Start::zero, nullptr}, scratch, threads);
    for (std::int64_t r = 0; r < n; ++r) {
      Scalar* const to = all.dh.data + rows_[r] * all.dh.stride;
      const Scalar* const from = dh_.data() + r * I;
      for (std::int64_t i = 0; i < I; ++i) to[i] += from[i];
    }
    return status;
  }

 private:
  // The rows whose target is in the cluster, side by side; returns how many.
  std::int64_t gather(const LinearCrossEntropy<Scalar>& all,
                      const AdaptiveCluster<Scalar>& cluster) {
    const Targets<Scalar>& t = all.targets;
    std::int64_t n = 0;
    for (std::int64_t r = 0; r < all.shape.R; ++r) {
      const std::int64_t v = t.classes[r] - cluster.begin;
      if (v < 0 || v >= cluster.size || t.classes[r] == t.ignore) continue;
      rows_[n] = r;
      classes_[n] = v;
      if (t.row_weights != nullptr) weights_[n] = t.row_weights[r];
      std::memcpy(h_.data() + n * all.shape.I, all.h.data + r * all.h.stride,
                  static_cast<std::size_t>(all.shape.I) * sizeof(Scalar));
      ++n;
    }
    return n;
  }

  Buffer<std::int64_t> rows_, classes_;
  Buffer<Scalar> weights_, h_, p_, dh_, dp_;
};

}  // namespace detail

template <class Scalar>
Status adaptive_cross_entropy(const AdaptiveCrossEntropy<Scalar>& problem, double* loss,
                              int threads) {
  LinearCrossEntropy<Scalar> head = problem.head;
  const std::int64_t R = head.shape.R, S = head.shape.O - problem.C;
  const Targets<Scalar>& given = problem.head.targets;
  Buffer<std::int64_t> classes, counts;
  Buffer<Scalar> scratch;
  if (!classes.reserve(R) || !counts.reserve_zeroed(problem.C) ||
      !scratch.reserve(kScratch<Scalar> * threads))
    return Status::out_of_memory;
  std::int64_t most = 0, widest = 0;  // rows of a cluster, and features of a projection
  for (std::int64_t r = 0; r < R; ++r) {
    const std::int64_t t = given.classes[r];
    std::int64_t of_head = t;
    if (t == given.ignore) {
      of_head = detail::kNoClass;
    } else if (t >= S) {
      std::int64_t c = problem.C - 1;
      while (problem.clusters[c].begin > t) --c;
      of_head = S + c;
      most = std::max(most, ++counts[c]);
    }
    classes[r] = of_head;
  }
  for (std::int64_t c = 0; c < problem.C; ++c) widest = std::max(widest, problem.clusters[c].P);
  head.targets.classes = classes.data();
  head.targets.ignore = detail::kNoClass;
  detail::ClusterRows<Scalar> rows;
  if (!rows.reserve(most, head.shape.I, widest, head.backward)) return Status::out_of_memory;
  Status status = linear_cross_entropy(head, loss, threads);
  for (std::int64_t c = 0; c < problem.C && status == Status::ok; ++c) {
    double part = 0;
    status = rows.run(problem, problem.clusters[c], scratch.data(), &part, threads);
    *loss += part;
  }
  return status;
}

}  // namespace rnnfast
