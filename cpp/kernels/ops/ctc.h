// Connectionist temporal classification (Graves et al. 2006), in log-space and in double.
#pragma once

#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/ops/cross_entropy.h"

namespace rnnfast {

// One sequence of `steps` rows of scores against its target, which is widened by blanks to the
// S = 2 L + 1 symbols (-, l1, -, l2, ..., lL, -). A path stays on a symbol, goes to the next one,
// or skips a blank between two different ones.
template <class Scalar>
class CtcSequence {
 public:
  CtcSequence(const CtcProblem<Scalar>& problem, std::int64_t b)
      : p_(problem),
        b_(b),
        steps_(problem.lengths[b]),
        size_(2 * (problem.offsets[b + 1] - problem.offsets[b]) + 1),
        target_(problem.targets + problem.offsets[b]) {}

  // Doubles of memory that this sequence needs.
  std::int64_t workspace() const {
    const std::int64_t all = product_of(steps_ + 1, size_ + 1);
    return all < 0 ? all : all - 1;
  }

  // -log P(target); NaN or infinite where the scores are, or where no path exists.
  double forward(double* memory) {
    alpha_ = memory;                     // (steps, S): log P(l'[1..s] by time t)
    log_sum_ = alpha_ + steps_ * size_;  // (steps): log sum over v of exp(x[t][v])
    beta_ = log_sum_ + steps_;           // (S)
    if (steps_ == 0) return size_ == 1 ? 0.0 : -kLogZero;
    double total = 0;  // NaN if a log-sum is NaN or infinite
    for (std::int64_t t = 0; t < steps_; ++t) {
      const Scalar* const x = row(t);
      const Scalar shift = detail::row_max(x, p_.V);
      const Scalar sum = detail::exp_sum<Scalar>(x, p_.V, shift, nullptr);
      log_sum_[t] = static_cast<double>(shift) + std::log(static_cast<double>(sum));
      total += log_sum_[t] * 0;
      double* const now = alpha_ + t * size_;
      for (std::int64_t s = 0; s < size_; ++s) {
        double before = s < 2 ? 0.0 : kLogZero;
        if (t > 0) {
          const double* const a = now - size_ + s;
          before = log_add(a[0], s > 0 ? a[-1] : kLogZero, skips_to(s) ? a[-2] : kLogZero);
        }
        now[s] = before + log_prob(t, s);
      }
    }
    const double* const last = alpha_ + steps_ * size_ - 1;
    log_prob_ = log_add(last[0], size_ > 1 ? last[-1] : kLogZero, kLogZero);
    return total - log_prob_;
  }

  // Gradients of scale * loss: scale * (softmax - expected share of each symbol in step t).
  void backward(double scale, Scalar* dlogits) {
    for (std::int64_t t = steps_ - 1; t >= 0; --t) {
      const Scalar* const x = row(t);
      Scalar* const dx = dlogits + (t * p_.B + b_) * p_.V;
      const Scalar sum = detail::exp_sum(x, p_.V, detail::row_max(x, p_.V), dx);
      detail::scale_row<Scalar>(dx, p_.V, static_cast<Scalar>(scale / static_cast<double>(sum)),
                                nullptr, 0, dx);
      const double* const alpha = alpha_ + t * size_;
      // beta_[s] holds log P(l'[s..S] from t + 1 on), and afterwards from t on.
      for (std::int64_t s = 0; s < size_; ++s) {
        double after = s + 2 < size_ ? kLogZero : 0.0;
        if (t + 1 < steps_)
          after = log_add(beta_[s], s + 1 < size_ ? beta_[s + 1] : kLogZero,
                          s + 2 < size_ && skips_to(s + 2) ? beta_[s + 2] : kLogZero);
        dx[symbol(s)] -= static_cast<Scalar>(scale * std::exp(alpha[s] + after - log_prob_));
        beta_[s] = after + log_prob(t, s);
      }
    }
  }

 private:
  static constexpr double kLogZero = -std::numeric_limits<double>::infinity();

  // log(exp(a) + exp(b) + exp(c))
  static double log_add(double a, double b, double c) {
    const double larger = std::max(a, b), most = std::max(larger, c);
    if (most == kLogZero) return most;
    const double others = std::exp(std::min(a, b) - most) + std::exp(std::min(larger, c) - most);
    return most + std::log(1 + others);
  }

  const Scalar* row(std::int64_t t) const { return p_.logits + (t * p_.B + b_) * p_.V; }
  std::int64_t symbol(std::int64_t s) const { return s % 2 == 0 ? p_.blank : target_[s / 2]; }
  bool skips_to(std::int64_t s) const {
    return s % 2 == 1 && s > 1 && target_[s / 2] != target_[s / 2 - 1];
  }
  double log_prob(std::int64_t t, std::int64_t s) const {
    return static_cast<double>(row(t)[symbol(s)]) - log_sum_[t];
  }

  const CtcProblem<Scalar>& p_;
  std::int64_t b_, steps_, size_;
  const std::int64_t* target_;
  double *alpha_ = nullptr, *log_sum_ = nullptr, *beta_ = nullptr;
  double log_prob_ = 0;
};

template <class Scalar>
Status ctc(const CtcProblem<Scalar>& problem, double* loss, Scalar* dlogits, int threads) {
  std::int64_t most = 0;
  for (std::int64_t b = 0; b < problem.B && most >= 0; ++b) {
    const std::int64_t wanted = CtcSequence<Scalar>(problem, b).workspace();
    most = wanted < 0 ? wanted : std::max(most, wanted);
  }
  threads = static_cast<int>(std::clamp<std::int64_t>(problem.B, 1, threads));
  Buffer<double> losses, memory;
  if (!losses.reserve(problem.B) || !memory.reserve(product_of(threads, most)))
    return Status::out_of_memory;
  if (dlogits != nullptr)
    std::fill(dlogits, dlogits + problem.T * problem.B * problem.V, Scalar(0));
  std::atomic<bool> finite{true};
  std::atomic<std::int64_t> next{0};  // sequences differ in length: each thread takes the next one
  parallel(threads, [&](int rank, int) {
    for (std::int64_t b = next++; b < problem.B; b = next++) {
      losses[b] = 0;
      const double weight =
          problem.weights != nullptr ? static_cast<double>(problem.weights[b]) : 1.0;
      if (weight == 0) continue;
      CtcSequence<Scalar> sequence(problem, b);
      const double value = sequence.forward(memory.data() + rank * most);
      losses[b] = weight * value;
      if (!std::isfinite(value)) {
        finite.store(false, std::memory_order_relaxed);
      } else if (dlogits != nullptr) {
        sequence.backward(problem.scale * weight, dlogits);
      }
    }
  });
  if (!finite) return Status::not_finite;
  *loss = 0;
  for (std::int64_t b = 0; b < problem.B; ++b) *loss += losses[b];
  return Status::ok;
}

}  // namespace rnnfast
