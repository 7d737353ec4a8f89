// The loss of a linear layer with few inputs and many classes, as the last clusters of an adaptive
// softmax are: to form a logit there takes less than to write it down and read it. So the logits of
// a block of classes are formed in a core's cache, once for the sums and once for the gradients.
#pragma once

#include "kernels/gemm/multiply.h"
#include "kernels/ops/cross_entropy.h"

namespace rnnfast {

namespace detail {

// Classes are cut in so many groups, of which each is one thread's, and in blocks within them:
// sums over classes have one order for any number of threads.
constexpr std::int64_t kNarrowGroups = 16;
constexpr std::int64_t kNarrowBlock = 128;
// Rows that share a pass over the classes: a multiple of kDepth, as gradients sum over rows.
constexpr std::int64_t kNarrowRows = 2 * kDepth;
constexpr std::int64_t kNarrowInputs = 64, kNarrowClasses = 4096;

template <class Scalar>
class NarrowSoftmax {
  static constexpr int S = 4;  // vectors of rows at a time
  static constexpr int V = lanes<Scalar>;
  using Vector = Vec<Scalar>;

 public:
  NarrowSoftmax(const LinearCrossEntropy<Scalar>& problem, int threads)
      : p_(problem),
        targets_(problem.targets, problem.shape.O),
        threads_(static_cast<int>(std::min<std::int64_t>(threads, kNarrowGroups))),
        most_(std::min(problem.shape.R, kNarrowRows)),
        stride_(ceil_div(most_, S * V) * S * V) {}

  bool reserve() {
    const std::int64_t inputs = p_.backward ? product_of(kNarrowGroups, most_, p_.shape.I) : 0;
    return max_.reserve(kNarrowGroups * stride_) && sum_.reserve(kNarrowGroups * stride_) &&
           target_.reserve(stride_) && factor_.reserve(stride_) &&
           block_.reserve(product_of(threads_, kNarrowBlock, stride_)) &&
           scratch_.reserve(kScratch<Scalar> * threads_) && dh_.reserve(inputs);
  }

  // Of all rows; adds to the gradients.
  double run() {
    double loss = 0;
    for (std::int64_t r0 = 0; r0 < p_.shape.R; r0 += kNarrowRows) {
      first_ = r0;
      n_ = std::min(kNarrowRows, p_.shape.R - r0);
      for_groups(
          [&](std::int64_t group, Range classes, int rank) { add_up(group, classes, rank); });
      loss += combine();
      if (!p_.backward) continue;
      for_groups([&](std::int64_t group, Range classes, int rank) { back(group, classes, rank); });
      if (p_.dh.data != nullptr) gather_gradients();
    }
    return loss;
  }

 private:
  template <class F>
  void for_groups(const F& f) {
    const std::int64_t blocks = ceil_div(p_.shape.O, kNarrowBlock);
    parallel(threads_, [&](int rank, int size) {
      const Range mine = share(kNarrowGroups, rank, size);
      for (std::int64_t group = mine.begin; group < mine.end; ++group) {
        const Range own = share(blocks, static_cast<int>(group), static_cast<int>(kNarrowGroups));
        f(group, Range{own.begin * kNarrowBlock, std::min(p_.shape.O, own.end * kNarrowBlock)},
          rank);
      }
    });
  }

  const Scalar* h() const { return p_.h.data + first_ * p_.h.stride; }
  std::int64_t strips() const { return ceil_div(n_, S * V); }
  Scalar* block_of(int rank) { return block_.data() + rank * kNarrowBlock * stride_; }
  Scalar* scratch_of(int rank) { return scratch_.data() + rank * kScratch<Scalar>; }

  // The logits of `count` classes from `v0` on, (classes, rows), zero beyond the last row.
  Scalar* logits(std::int64_t v0, std::int64_t count, int rank) {
    Scalar* const x = block_of(rank);
    multiply(count, n_, p_.shape.I, LeftByRows<Scalar>{p_.weight + v0 * p_.shape.I, p_.shape.I},
             RightByColumns<Scalar>{h(), p_.h.stride},
             Target<Scalar>{x, stride_, Start::zero, nullptr}, scratch_of(rank), 1);
    for (std::int64_t v = 0; v < count; ++v)
      std::fill(x + v * stride_ + n_, x + v * stride_ + strips() * S * V, Scalar(0));
    return x;
  }

  // The greatest logit of each row in a group, the sum of exp(x - greatest), the target's logit.
  void add_up(std::int64_t group, Range classes, int rank) {
    for (std::int64_t v0 = classes.begin; v0 < classes.end; v0 += kNarrowBlock) {
      const std::int64_t count = std::min(kNarrowBlock, classes.end - v0);
      const Scalar* const x = logits(v0, count, rank);
      for (std::int64_t strip = 0; strip < strips(); ++strip)
        add_block(x + strip * S * V, count, v0 == classes.begin, group * stride_ + strip * S * V);
      for (std::int64_t r = 0; r < n_; ++r) {
        const std::int64_t v = p_.targets.classes[first_ + r] - v0;
        if (v >= 0 && v < count) target_[r] = x[v * stride_ + r];
      }
    }
  }

  void add_block(const Scalar* x, std::int64_t count, bool fresh, std::int64_t at) {
    Vector greatest[S], sum[S];
    for (int s = 0; s < S; ++s) {
      greatest[s] = load(x + s * V);
      sum[s] = zeros<Scalar>();
    }
    for (std::int64_t v = 1; v < count; ++v)
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s)
        greatest[s] = keep_nan_max(load(x + v * stride_ + s * V), greatest[s]);
    if (!fresh)
      for (int s = 0; s < S; ++s) {
        const auto before = load(static_cast<const Scalar*>(max_.data() + at + s * V));
        greatest[s] = keep_nan_max(before, greatest[s]);
        sum[s] = mul(load(static_cast<const Scalar*>(sum_.data() + at + s * V)),
                     exp_nonpositive<Scalar>(sub(before, greatest[s])));
      }
    Vector part[S];
    for (int s = 0; s < S; ++s) part[s] = zeros<Scalar>();
    for (std::int64_t v = 0; v < count; ++v)
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s)
        part[s] =
            add(part[s], exp_nonpositive<Scalar>(sub(load(x + v * stride_ + s * V), greatest[s])));
    for (int s = 0; s < S; ++s) {
      store(max_.data() + at + s * V, greatest[s]);
      store(sum_.data() + at + s * V, add(sum[s], part[s]));
    }
  }

  // From the groups' sums to each row's: the loss, and what makes gradients of logits. The first
  // group's place takes the greatest of all.
  double combine() {
    double loss = 0;
    for (std::int64_t r = 0; r < n_; ++r) {
      const std::int64_t row = first_ + r;
      factor_[r] = 0;
      Scalar greatest = max_[r];
      for (std::int64_t g = 1; g < kNarrowGroups; ++g)
        if (!(max_[g * stride_ + r] <= greatest)) greatest = max_[g * stride_ + r];
      double sum = 0;
      for (std::int64_t g = 0; g < kNarrowGroups; ++g) {
        const std::int64_t at = g * stride_ + r;
        sum += static_cast<double>(sum_[at]) *
               std::exp(static_cast<double>(max_[at]) - static_cast<double>(greatest));
      }
      max_[r] = greatest;
      if (!targets_.counts(row)) continue;
      loss += targets_.loss(row, static_cast<double>(greatest) + std::log(sum),
                            static_cast<double>(target_[r]), 0);
      factor_[r] = static_cast<Scalar>(p_.targets.scale * targets_.weight(row) / sum);
    }
    for (std::int64_t r = n_; r < strips() * S * V; ++r) max_[r] = factor_[r] = 0;
    return loss;
  }

  void back(std::int64_t group, Range classes, int rank) {
    const std::int64_t I = p_.shape.I;
    for (std::int64_t v0 = classes.begin; v0 < classes.end; v0 += kNarrowBlock) {
      const std::int64_t count = std::min(kNarrowBlock, classes.end - v0);
      Scalar* const x = logits(v0, count, rank);
      for (std::int64_t strip = 0; strip < strips(); ++strip)
        to_gradients(x + strip * S * V, count, strip * S * V);
      for (std::int64_t r = 0; r < n_; ++r) {
        const std::int64_t row = first_ + r, v = p_.targets.classes[row] - v0;
        if (v >= 0 && v < count && targets_.counts(row))
          x[v * stride_ + r] -= static_cast<Scalar>(p_.targets.scale * targets_.weight(row));
      }
      if (p_.dweight != nullptr)
        multiply(count, I, n_, LeftByRows<Scalar>{x, stride_},
                 RightByRows<Scalar>{h(), p_.h.stride},
                 Target<Scalar>{p_.dweight + v0 * I, I, Start::add, nullptr}, scratch_of(rank), 1);
      if (p_.dh.data != nullptr)
        multiply(n_, I, count, LeftByColumns<Scalar>{x, stride_},
                 RightByRows<Scalar>{p_.weight + v0 * I, I},
                 Target<Scalar>{dh_.data() + group * most_ * I, I,
                                v0 == classes.begin ? Start::zero : Start::add, nullptr},
                 scratch_of(rank), 1);
    }
  }

  // x = exp(x - max) factor, and 0 in rows that do not count.
  void to_gradients(Scalar* x, std::int64_t count, std::int64_t at) {
    Vector max[S], factor[S], dead[S];
    for (int s = 0; s < S; ++s) {
      max[s] = load(static_cast<const Scalar*>(max_.data() + at + s * V));
      factor[s] = load(static_cast<const Scalar*>(factor_.data() + at + s * V));
      dead[s] = equal(factor[s], zeros<Scalar>());
    }
    for (std::int64_t v = 0; v < count; ++v, x += stride_)
#pragma GCC unroll 4
      for (int s = 0; s < S; ++s) {
        const auto e =
            exp_nonpositive<Scalar>(sub(load(static_cast<const Scalar*>(x + s * V)), max[s]));
        store(x + s * V, bits_without(mul(e, factor[s]), dead[s]));
      }
  }

  void gather_gradients() {
    const std::int64_t I = p_.shape.I;
    for (std::int64_t r = 0; r < n_; ++r) {
      Scalar* const to = p_.dh.data + (first_ + r) * p_.dh.stride;
      for (std::int64_t i = 0; i < I; ++i) {
        Scalar sum = 0;
        for (std::int64_t g = 0; g < kNarrowGroups; ++g) sum += dh_[(g * most_ + r) * I + i];
        to[i] = sum;
      }
    }
  }

  const LinearCrossEntropy<Scalar>& p_;
  const RowTargets<Scalar> targets_;
  const int threads_;
  const std::int64_t most_, stride_;
  std::int64_t first_ = 0, n_ = 0;  // rows of this pass
  Buffer<Scalar> max_, sum_;        // [group][row]
  Buffer<Scalar> target_, factor_;  // [row]
  Buffer<Scalar> block_, scratch_;  // of each thread
  Buffer<Scalar> dh_;               // [group][row][I]
};

}  // namespace detail

// Whether the logits are formed twice.
template <class Scalar>
bool is_narrow(const LinearCrossEntropy<Scalar>& problem) {
  return problem.shape.I <= detail::kNarrowInputs && problem.shape.O >= detail::kNarrowClasses &&
         problem.bias == nullptr && problem.dbias == nullptr && problem.targets.smoothing == 0 &&
         problem.targets.class_weights == nullptr;
}

template <class Scalar>
Status narrow_cross_entropy(const LinearCrossEntropy<Scalar>& problem, double* loss, int threads) {
  detail::NarrowSoftmax<Scalar> softmax(problem, threads);
  if (!softmax.reserve()) return Status::out_of_memory;
  *loss = softmax.run();
  return Status::ok;
}

}  // namespace rnnfast
