// A linear-chain conditional random field: sums over all paths, their gradients, the best path.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/abi/crf.h"
#include "kernels/core/activations.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// The scores of transitions, widened to double, in rows filled up to whole vectors.
//
// A step over all tags before is a product with a matrix that stays the same,
//
//   log sum_i exp(a[i] + M[i, j]) = m + c + log sum_i exp(a[i] - m) E[i, j],  E = exp(M - c),
//
// with m = max a and c = max M: an exp and a log per tag, not one per pair of tags. No factor is
// above 1. Where a sum is so small that terms which matter may have vanished, it is taken again
// term by term.
struct CrfTransitions {
  static constexpr double none = -std::numeric_limits<double>::infinity();
  static constexpr double trusted = 1e-260;  // sums below are taken again; log(1e-260) = -598.7
  static constexpr double trusted_log = 598;

  std::int64_t K, S;  // tags; numbers from a row to the next
  double c = 0;
  Buffer<double> M, E;  // (K, S), filled up with -inf and 0

  template <class Scalar>
  bool prepare(std::int64_t tags, const Scalar* transitions) {
    K = tags;
    S = ceil_div(K, lanes<double>) * lanes<double>;
    if (!M.reserve(product_of(K, S)) || !E.reserve(product_of(K, S))) return false;
    double greatest = none;
    for (std::int64_t i = 0; i < K; ++i)
      for (std::int64_t j = 0; j < S; ++j) {
        M[i * S + j] = j < K ? static_cast<double>(transitions[i * K + j]) : none;
        greatest = std::max(greatest, M[i * S + j]);
      }
    c = greatest == none ? 0 : greatest;
    for (std::int64_t n = 0; n < K * S; ++n) E[n] = std::exp(M[n] - c);
    return true;
  }

  // log sum_i exp(a[i] + b[i * stride]) over K terms, each exp by itself.
  double log_sum(const double* a, const double* b, std::int64_t stride) const {
    double greatest = none, sum = 0;
    for (std::int64_t i = 0; i < K; ++i) greatest = std::max(greatest, a[i] + b[i * stride]);
    if (greatest == none) return none;
    for (std::int64_t i = 0; i < K; ++i) sum += std::exp(a[i] + b[i * stride] - greatest);
    return greatest + std::log(sum);
  }
};

// The passes over one sequence, with a thread's scratch memory.
template <class Scalar>
class CrfChain {
 public:
  // Numbers of a block of parameter gradients: transitions (K, S), start (S), end (S).
  static std::int64_t gradient_size(const CrfTransitions& m) { return (m.K + 2) * m.S; }

  CrfChain(const CrfChains<Scalar>& chains, const CrfTransitions& transitions)
      : p_(chains), m_(transitions), K_(transitions.K), S_(transitions.S) {}

  bool reserve() {
    return alpha_.reserve(product_of(std::max<std::int64_t>(p_.T, 1), S_)) && beta_.reserve(S_) &&
           u_.reserve(S_) && a_.reserve(S_) && v_.reserve(S_) && sums_.reserve(S_);
  }

  std::int64_t length(std::int64_t b) const { return p_.lengths != nullptr ? p_.lengths[b] : p_.T; }

  // alpha_t[j] = e_t[j] + log sum_i exp(alpha_t-1[i] + M[i, j]); returns log Z.
  double forward(std::int64_t b) {
    const std::int64_t n = length(b);
    if (n == 0) return 0;
    fill_first(alpha_.data(), emission(0, b), p_.start);
    for (std::int64_t t = 1; t < n; ++t) {
      const double* const before = alpha_.data() + (t - 1) * S_;
      double* const alpha = alpha_.data() + t * S_;
      const Scalar* const e = emission(t, b);
      const double shift = exponentials(before, a_.data()) + m_.c;
      std::fill(sums_.data(), sums_.data() + S_, 0.0);
      for (std::int64_t i = 0; i < K_; ++i) {
        if (a_[i] == 0) continue;
        const auto w = broadcast(a_[i]);
        for (std::int64_t j = 0; j < S_; j += lanes<double>)
          store(&sums_[j], madd(w, load(&m_.E[i * S_ + j]), load<double>(&sums_[j])));
      }
      for (std::int64_t j = 0; j < K_; ++j)
        alpha[j] =
            static_cast<double>(e[j]) +
            (sums_[j] > m_.trusted ? shift + std::log(sums_[j]) : m_.log_sum(before, &m_.M[j], S_));
      std::fill(alpha + K_, alpha + S_, m_.none);
    }
    for (std::int64_t j = 0; j < K_; ++j) u_[j] = static_cast<double>(p_.end[j]);
    return m_.log_sum(alpha_.data() + (n - 1) * S_, u_.data(), 1);
  }

  double score(std::int64_t b, const std::int64_t* targets) const {
    const std::int64_t n = length(b);
    if (n == 0) return 0;
    double sum = static_cast<double>(p_.start[targets[b]]);
    for (std::int64_t t = 0; t < n; ++t) {
      const std::int64_t y = targets[t * p_.B + b];
      sum += static_cast<double>(emission(t, b)[y]);
      if (t > 0) sum += m_.M[targets[(t - 1) * p_.B + b] * S_ + y];
    }
    return sum + static_cast<double>(p_.end[targets[(n - 1) * p_.B + b]]);
  }

  // After `forward` gave a finite log_z: writes the gradients of emissions, adds those of the
  // parameters to `block` unless it is null.
  //   beta_t-1[i] = log sum_j exp(M[i, j] + e_t[j] + beta_t[j])
  //   P(y_t = j) = exp(alpha_t[j] + beta_t[j] - log Z)
  //   P(y_t-1 = i, y_t = j) = exp(alpha_t-1[i] + M[i, j] + e_t[j] + beta_t[j] - log Z)
  void backward(std::int64_t b, double log_z, double weight, const std::int64_t* targets,
                Scalar* demissions, double* block) {
    const std::int64_t n = length(b);
    double *const dstart = block + K_ * S_, *const dend = dstart + S_;  // read if block is not null
    for (std::int64_t j = 0; j < S_; ++j)
      beta_[j] = j < K_ ? static_cast<double>(p_.end[j]) : m_.none;
    for (std::int64_t t = n - 1; t >= 0; --t) {
      const double* const alpha = alpha_.data() + t * S_;
      for (std::int64_t j = 0; j < K_; ++j) u_[j] = std::min(alpha[j] + beta_[j] - log_z, 0.0);
      std::fill(u_.data() + K_, u_.data() + S_, m_.none);
      for (std::int64_t j = 0; j < S_; j += lanes<double>)
        store(&v_[j], exp_nonpositive<double>(load<double>(&u_[j])));
      const std::int64_t y = targets != nullptr ? targets[t * p_.B + b] : -1;
      if (y >= 0) v_[y] -= 1;
      Scalar* const to = demissions + (t * p_.B + b) * K_;
      for (std::int64_t j = 0; j < K_; ++j) to[j] = static_cast<Scalar>(weight * v_[j]);
      if (block != nullptr)
        for (std::int64_t j = 0; j < K_; ++j) {
          if (t == 0) dstart[j] += weight * v_[j];
          if (t == n - 1) dend[j] += weight * v_[j];
        }
      if (t == 0) return;
      if (block != nullptr && y >= 0) block[targets[(t - 1) * p_.B + b] * S_ + y] -= weight;
      step_back(t, b, log_z, weight, block);
    }
  }

  // The tags of the highest score, to best[t * B + b]; the first of equal ones. Returns the score.
  // `from` (T, K) is scratch.
  double decode(std::int64_t b, std::int32_t* from, std::int64_t* best) {
    const std::int64_t n = length(b);
    if (n == 0) return 0;
    double *highest = alpha_.data(), *next = sums_.data();
    fill_first(highest, emission(0, b), p_.start);
    for (std::int64_t t = 1; t < n; ++t) {
      std::int32_t* const back = from + t * K_;
      std::fill(next, next + S_, m_.none);
      std::fill(back, back + K_, 0);
      for (std::int64_t i = 0; i < K_; ++i)
        for (std::int64_t j = 0; j < K_; ++j) {
          const double value = highest[i] + m_.M[i * S_ + j];
          if (value > next[j]) {
            next[j] = value;
            back[j] = static_cast<std::int32_t>(i);
          }
        }
      const Scalar* const e = emission(t, b);
      for (std::int64_t j = 0; j < K_; ++j) next[j] += static_cast<double>(e[j]);
      std::swap(highest, next);
    }
    std::int64_t tag = 0;
    for (std::int64_t j = 0; j < K_; ++j) {
      highest[j] += static_cast<double>(p_.end[j]);
      if (highest[j] > highest[tag]) tag = j;
    }
    const double value = highest[tag];
    for (std::int64_t t = n - 1; t >= 0; --t) {
      best[t * p_.B + b] = tag;
      if (t > 0) tag = from[t * K_ + tag];
    }
    return value;
  }

 private:
  const Scalar* emission(std::int64_t t, std::int64_t b) const {
    return p_.emissions + t * p_.step_stride + b * p_.row_stride;
  }

  void fill_first(double* to, const Scalar* e, const Scalar* start) const {
    for (std::int64_t j = 0; j < K_; ++j)
      to[j] = static_cast<double>(start[j]) + static_cast<double>(e[j]);
    std::fill(to + K_, to + S_, m_.none);
  }

  // to = exp(x - max x), all 0 if every x is -inf; returns the maximum, 0 then.
  double exponentials(const double* x, double* to) const {
    double greatest = m_.none;
    for (std::int64_t j = 0; j < K_; ++j) greatest = std::max(greatest, x[j]);
    if (greatest == m_.none) greatest = 0;
    const auto shift = broadcast(greatest);
    for (std::int64_t j = 0; j < S_; j += lanes<double>)
      store(to + j, exp_nonpositive<double>(sub(load(x + j), shift)));
    return greatest;
  }

  // From beta_ of step t to that of t - 1; adds the probabilities of all pairs of tags to `block`.
  void step_back(std::int64_t t, std::int64_t b, double log_z, double weight, double* block) {
    const double* const before = alpha_.data() + (t - 1) * S_;
    const Scalar* const e = emission(t, b);
    for (std::int64_t j = 0; j < S_; ++j)
      u_[j] = j < K_ ? static_cast<double>(e[j]) + beta_[j] : m_.none;
    const double shift = exponentials(u_.data(), v_.data()) + m_.c;
    // P = a[i] E[i, j] v[j] factor: of terms that have vanished, 1e-308 exp(598) is nothing.
    const double log_factor = exponentials(before, a_.data()) + shift - log_z;
    const bool product = block != nullptr && log_factor < m_.trusted_log;
    const double factor = product ? weight * std::exp(log_factor) : 0;
    for (std::int64_t i = 0; i < K_; ++i) {
      const auto w = broadcast(a_[i] * factor);
      auto sum = zeros<double>();
      for (std::int64_t j = 0; j < S_; j += lanes<double>) {
        const auto term = mul(load(&m_.E[i * S_ + j]), load<double>(&v_[j]));
        sum = add(sum, term);
        if (product) store(block + i * S_ + j, madd(w, term, load<double>(block + i * S_ + j)));
      }
      const double total = horizontal_sum(sum);
      sums_[i] =
          total > m_.trusted ? shift + std::log(total) : m_.log_sum(u_.data(), &m_.M[i * S_], 1);
      if (block != nullptr && !product)
        for (std::int64_t j = 0; j < K_; ++j)
          block[i * S_ + j] +=
              weight * std::exp(std::min(before[i] + m_.M[i * S_ + j] + u_[j] - log_z, 0.0));
    }
    std::copy(sums_.data(), sums_.data() + K_, beta_.data());
  }

  const CrfChains<Scalar>& p_;
  const CrfTransitions& m_;
  const std::int64_t K_, S_;
  Buffer<double> alpha_, beta_, u_, a_, v_, sums_;
};

// Calls f(chain, b) for every sequence, a block of `block` sequences on one thread in order.
template <class Scalar, class F>
Status over_chains(const CrfChains<Scalar>& chains, const CrfTransitions& transitions,
                   std::int64_t block, int threads, const F& f) {
  if (chains.B == 0) return Status::ok;
  const std::int64_t blocks = ceil_div(chains.B, block);
  std::atomic<bool> enough{true};
  const std::int64_t work = chains.T * chains.B * chains.K * (chains.K + 16);
  const auto most = static_cast<int>(std::min<std::int64_t>(threads, blocks));
  parallel(useful_threads(most, work, 1 << 15), [&](int rank, int size) {
    CrfChain<Scalar> chain(chains, transitions);
    if (!chain.reserve()) {
      enough.store(false, std::memory_order_relaxed);
      return;
    }
    const Range mine = share(chains.B, block, rank, size);
    for (std::int64_t b = mine.begin; b < mine.end; ++b) f(chain, b);
  });
  return enough ? Status::ok : Status::out_of_memory;
}

template <class Scalar>
Status crf_sums(const CrfChains<Scalar>& chains, const CrfSums<Scalar>& sums, int threads) {
  constexpr std::int64_t block = 8;  // sequences whose gradients are added up together
  const std::int64_t T = chains.T, B = chains.B, K = chains.K;
  CrfTransitions transitions;
  Buffer<double> parts;
  if (!transitions.prepare(K, chains.transitions)) return Status::out_of_memory;
  const std::int64_t S = transitions.S, part = CrfChain<Scalar>::gradient_size(transitions);
  const std::int64_t blocks = sums.dtransitions != nullptr ? ceil_div(B, block) : 0;
  if (blocks > 0 && !parts.reserve_zeroed(product_of(blocks, part))) return Status::out_of_memory;
  if (sums.demissions != nullptr)
    std::fill(sums.demissions, sums.demissions + T * B * K, Scalar(0));
  const Status status = over_chains(
      chains, transitions, block, threads, [&](CrfChain<Scalar>& chain, std::int64_t b) {
        const double log_z = chain.forward(b);
        sums.log_z[b] = log_z;
        if (sums.targets != nullptr) sums.scores[b] = chain.score(b, sums.targets);
        if (sums.demissions == nullptr || log_z == transitions.none) return;
        chain.backward(b, log_z, sums.weights != nullptr ? sums.weights[b] : 1.0, sums.targets,
                       sums.demissions, blocks > 0 ? parts.data() + b / block * part : nullptr);
      });
  if (status != Status::ok || sums.dtransitions == nullptr) return status;
  const auto total = [&](std::int64_t row, std::int64_t j) {
    double sum = 0;
    for (std::int64_t n = 0; n < blocks; ++n) sum += parts[n * part + row * S + j];
    return static_cast<Scalar>(sum);
  };
  for (std::int64_t j = 0; j < K; ++j) {
    for (std::int64_t i = 0; i < K; ++i) sums.dtransitions[i * K + j] = total(i, j);
    sums.dstart[j] = total(K, j);
    sums.dend[j] = total(K + 1, j);
  }
  return Status::ok;
}

template <class Scalar>
Status crf_decode(const CrfChains<Scalar>& chains, std::int64_t* tags, double* scores,
                  int threads) {
  CrfTransitions transitions;
  Buffer<std::int32_t> from;
  if (!transitions.prepare(chains.K, chains.transitions) ||
      !from.reserve(product_of(chains.B, chains.T, chains.K)))
    return Status::out_of_memory;
  return over_chains(chains, transitions, 1, threads, [&](CrfChain<Scalar>& chain, std::int64_t b) {
    scores[b] = chain.decode(b, from.data() + b * chains.T * chains.K, tags);
  });
}

}  // namespace rnnfast
