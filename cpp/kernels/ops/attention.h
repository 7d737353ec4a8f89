// Attention: scores, the softmax over what counts of the memory, contexts, and the way back.
//
// One sequence at a time, its matrices read where they stand: a step of a sequence is a row.
#pragma once

#include "kernels/abi/attention.h"
#include "kernels/core/sizes.h"
#include "kernels/gemm/multiply.h"
#include "kernels/ops/cross_entropy.h"

namespace rnnfast {

namespace detail {

// One sequence's steps as rows of a matrix.
template <class Scalar>
Matrix<Scalar> rows_of(const Sequences<Scalar>& sequences, std::int64_t b) {
  return {sequences.data + b * sequences.row, sequences.step};
}

// e (T, S) <- its softmax over the first n numbers of each row, 0 behind. Whether all sums are
// finite.
template <class Scalar>
bool softmax_first(std::int64_t T, std::int64_t n, std::int64_t S, Scalar* e, int threads) {
  std::atomic<bool> finite{true};
  parallel(useful_threads(threads, T * n, 1 << 15), [&](int rank, int size) {
    const Range mine = share(T, rank, size);
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      Scalar* const row = e + t * S;
      std::fill(row + n, row + S, Scalar(0));
      if (n == 0) continue;
      const Scalar sum = exp_sum(row, n, row_max(row, n), row);
      if (!std::isfinite(sum)) finite.store(false, std::memory_order_relaxed);
      scale_row<Scalar>(row, n, 1 / sum, nullptr, 0, row);
    }
  });
  return finite.load();
}

// dweights (T, S) <- the gradients of the scores: w (dw - sum of w dw), over the first n.
template <class Scalar>
void softmax_backward(std::int64_t T, std::int64_t n, std::int64_t S, const Scalar* weights,
                      Scalar* dweights, int threads) {
  constexpr int V = lanes<Scalar>;
  parallel(useful_threads(threads, T * n, 1 << 15), [&](int rank, int size) {
    const Range mine = share(T, rank, size);
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      const Scalar* const w = weights + t * S;
      Scalar* const d = dweights + t * S;
      auto sum = zeros<Scalar>();
      for (std::int64_t s = 0; s < n; s += V)
        sum = madd(load_first(w + s, n - s), load_first<Scalar>(d + s, n - s), sum);
      const auto mean = broadcast<Scalar>(horizontal_sum(sum));
      for (std::int64_t s = 0; s < n; s += V)
        store_first(d + s,
                    mul(load_first(w + s, n - s), sub(load_first<Scalar>(d + s, n - s), mean)),
                    n - s);
    }
  });
}

// e (T, S) <- score . tanh(query + key), of the first n keys.
template <class Scalar>
void additive_scores(const AttentionInput<Scalar>& in, Matrix<const Scalar> queries,
                     Matrix<const Scalar> keys, std::int64_t n, Scalar* e, int threads) {
  constexpr int V = lanes<Scalar>;
  parallel(useful_threads(threads, in.T * n * in.K, 1 << 15), [&](int rank, int size) {
    const Range mine = share(in.T, rank, size);
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      const Scalar* const query = queries.data + t * queries.stride;
      for (std::int64_t s = 0; s < n; ++s) {
        const Scalar* const key = keys.data + s * keys.stride;
        auto sum = zeros<Scalar>();
        std::int64_t k = 0;
        for (; k + V <= in.K; k += V)
          sum = madd(load(in.score + k), tanh<Scalar>(add(load(query + k), load(key + k))), sum);
        if (k < in.K) {
          const std::int64_t count = in.K - k;
          const auto hidden =
              tanh<Scalar>(add(load_first(query + k, count), load_first(key + k, count)));
          sum = madd(load_first(in.score + k, count), hidden, sum);
        }
        e[t * in.S + s] = horizontal_sum(sum);
      }
    }
  });
}

// The way back from de (T, S), a vector of the K numbers at a time: hidden = tanh(query + key) is
// worked out again.
template <class Scalar>
void additive_backward(const AttentionInput<Scalar>& in, Matrix<const Scalar> queries,
                       Matrix<const Scalar> keys, std::int64_t n, const Scalar* de,
                       Matrix<Scalar> dqueries, Matrix<Scalar> dkeys, Scalar* dscore, int threads) {
  constexpr int V = lanes<Scalar>;
  const int useful = useful_threads(threads, in.T * n * in.K, 1 << 15);
  parallel(useful, [&](int rank, int size) {
    const Range mine = share(in.K, V, rank, size);
    for (std::int64_t k = mine.begin; k < mine.end; k += V) {
      const std::int64_t count = in.K - k;
      const auto score = load_first(in.score + k, count);
      auto total = zeros<Scalar>();
      for (std::int64_t s = 0; s < n; ++s)
        store_first(dkeys.data + s * dkeys.stride + k, zeros<Scalar>(), count);
      for (std::int64_t t = 0; t < in.T; ++t) {
        const auto query = load_first(queries.data + t * queries.stride + k, count);
        auto dquery = zeros<Scalar>(), part = zeros<Scalar>();
        for (std::int64_t s = 0; s < n; ++s) {
          const auto hidden =
              tanh<Scalar>(add(query, load_first(keys.data + s * keys.stride + k, count)));
          const auto d = broadcast(de[t * in.S + s]);
          part = madd(d, hidden, part);
          const auto inner = mul(mul(d, score), d_tanh(hidden));
          dquery = add(dquery, inner);
          Scalar* const dkey = dkeys.data + s * dkeys.stride + k;
          store_first(dkey, add(load_first<Scalar>(dkey, count), inner), count);
        }
        store_first(dqueries.data + t * dqueries.stride + k, dquery, count);
        total = add(total, part);
      }
      store_first(dscore + k, total, count);
    }
  });
}

// Calls f(b, threads, rank) for each sequence: the sequences among the threads, or where there are
// few of them, the threads within each.
template <class Scalar, class F>
void for_sequences(const AttentionInput<Scalar>& in, int threads, const F& f) {
  if (in.B < 2 * threads) {
    for (std::int64_t b = 0; b < in.B; ++b) f(b, threads, 0);
    return;
  }
  const std::int64_t work = in.B * in.T * in.S * (in.K + in.M + 16);
  parallel(useful_threads(threads, work, 1 << 19), [&](int rank, int size) {
    const Range mine = share(in.B, rank, size);
    for (std::int64_t b = mine.begin; b < mine.end; ++b) f(b, 1, rank);
  });
}

template <class Scalar>
std::int64_t length_of(const AttentionInput<Scalar>& in, std::int64_t b) {
  return in.lengths != nullptr ? in.lengths[b] : in.S;
}

}  // namespace detail

template <class Scalar>
Status attention_forward(const AttentionInput<Scalar>& in, Scalar* context, Scalar* weights,
                         int threads) {
  Buffer<Scalar> scratch;
  if (!scratch.reserve(kScratch<Scalar> * threads)) return Status::out_of_memory;
  std::atomic<bool> finite{true};
  detail::for_sequences(in, threads, [&](std::int64_t b, int within, int rank) {
    const auto queries = detail::rows_of(in.queries, b), keys = detail::rows_of(in.keys, b),
               memory = detail::rows_of(in.memory, b);
    const std::int64_t n = detail::length_of(in, b);
    Scalar* const w = weights + b * in.T * in.S;
    Scalar* const own = scratch.data() + rank * kScratch<Scalar>;
    if (in.score == nullptr)
      multiply(in.T, n, in.K, LeftByRows<Scalar>{queries.data, queries.stride},
               RightByColumns<Scalar>{keys.data, keys.stride},
               Target<Scalar>{w, in.S, Start::zero, nullptr}, own, within);
    else
      detail::additive_scores(in, queries, keys, n, w, within);
    if (!detail::softmax_first(in.T, n, in.S, w, within))
      finite.store(false, std::memory_order_relaxed);
    multiply(in.T, in.M, n, LeftByRows<Scalar>{w, in.S},
             RightByRows<Scalar>{memory.data, memory.stride},
             Target<Scalar>{context + b * in.M, in.B * in.M, Start::zero, nullptr}, own, within);
  });
  return finite.load() ? Status::ok : Status::not_finite;
}

template <class Scalar>
Status attention_backward(const AttentionInput<Scalar>& in, const AttentionGradients<Scalar>& g,
                          int threads) {
  const std::int64_t scores = product_of(in.T, in.S);
  Buffer<Scalar> scratch, dscores, dscore_parts;
  if (!scratch.reserve(kScratch<Scalar> * threads) ||
      !dscores.reserve(product_of(scores, std::int64_t(threads))) ||
      !dscore_parts.reserve(in.score != nullptr ? product_of(in.B, in.K) : 0))
    return Status::out_of_memory;
  detail::for_sequences(in, threads, [&](std::int64_t b, int within, int rank) {
    const auto queries = detail::rows_of(in.queries, b), keys = detail::rows_of(in.keys, b),
               memory = detail::rows_of(in.memory, b), dcontext = detail::rows_of(g.dcontext, b);
    const std::int64_t n = detail::length_of(in, b);
    const Scalar* const w = g.weights + b * scores;
    Scalar* const d = dscores.data() + rank * scores;
    Scalar* const own = scratch.data() + rank * kScratch<Scalar>;
    const Matrix<Scalar> dqueries = {g.dqueries + b * in.K, in.B * in.K},
                         dkeys = {g.dkeys + b * in.K, in.B * in.K},
                         dmemory = {g.dmemory + b * in.M, in.B * in.M};
    const auto clear_from_n = [&](const Matrix<Scalar>& rows, std::int64_t width) {
      for (std::int64_t s = n; s < in.S; ++s)
        std::fill_n(rows.data + s * rows.stride, width, Scalar(0));
    };
    // context = weights memory
    multiply(in.T, n, in.M, LeftByRows<Scalar>{dcontext.data, dcontext.stride},
             RightByColumns<Scalar>{memory.data, memory.stride},
             Target<Scalar>{d, in.S, Start::zero, nullptr}, own, within);
    multiply(n, in.M, in.T, LeftByColumns<Scalar>{w, in.S},
             RightByRows<Scalar>{dcontext.data, dcontext.stride},
             Target<Scalar>{dmemory.data, dmemory.stride, Start::zero, nullptr}, own, within);
    clear_from_n(dmemory, in.M);
    detail::softmax_backward(in.T, n, in.S, w, d, within);
    clear_from_n(dkeys, in.K);
    if (in.score != nullptr) {
      detail::additive_backward(in, queries, keys, n, d, dqueries, dkeys,
                                dscore_parts.data() + b * in.K, within);
      return;
    }
    // e = queries keys^T
    multiply(in.T, in.K, n, LeftByRows<Scalar>{d, in.S},
             RightByRows<Scalar>{keys.data, keys.stride},
             Target<Scalar>{dqueries.data, dqueries.stride, Start::zero, nullptr}, own, within);
    multiply(n, in.K, in.T, LeftByColumns<Scalar>{d, in.S},
             RightByRows<Scalar>{queries.data, queries.stride},
             Target<Scalar>{dkeys.data, dkeys.stride, Start::zero, nullptr}, own, within);
  });
  if (in.score == nullptr) return Status::ok;
  std::fill_n(g.dscore, in.K, Scalar(0));
  for (std::int64_t b = 0; b < in.B; ++b)
    for (std::int64_t k = 0; k < in.K; ++k) g.dscore[k] += dscore_parts[b * in.K + k];
  return Status::ok;
}

}  // namespace rnnfast
