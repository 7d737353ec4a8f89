// mLSTM (Beck et al. 2024, section 2.3), of each head, with the stabiliser of appendix A:
//
//   m = max(log f + m', i~),  i = exp(i~ - m),  f = exp(log f + m' - m)
//   C = f C' + i k v^T,  n = f n' + i k,  k = k~ / sqrt(d)
//   h = o (C^T q) / max(|n . q|, exp(-m))
//
// with C', n', m' the state of the step before, and C turned, so that a row is a key. A chunk of
// steps is a few products of matrices: with D<t,j> = i<j> f<j+1> ... f<t> for j <= t and g<t> =
// f<1> ... f<t> within it,
//
//   A = D * (Q K^T),  h<t> = o (A V + g Q C')<t> / max(|sum over j of A<t,j> + g Q n'|, exp(-m))
//   C = g<L> C' + sum over j of D<L,j> k<j> v<j>^T
//
// Where C' and n' are zero there is no state before, and m = i~: a forget gate that multiplies
// nothing does not make m larger.
//
// All factors are at most 1 but for rounding, and D is formed row by row from the one above, so
// that nothing overflows and nothing cancels.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/abi/xlstm.h"
#include "kernels/core/activations.h"
#include "kernels/gemm/multiply.h"
#include "kernels/xlstm/rows.h"
#include "kernels/xlstm/stabiliser.h"

namespace rnnfast {

namespace detail {

// One head of one sequence: where its numbers stand.
template <class Scalar>
struct MlstmHead {
  std::int64_t d, G;      // numbers of a key; from a row of gates to the next
  std::int64_t H, steps;  // from a row of y to the next; of the sequence
  const Scalar *q, *k, *v, *o, *i, *f;
  Scalar scale;  // of keys
  bool exponential;

  MlstmHead(const MlstmInput<Scalar>& in, std::int64_t b, int head)
      : d(in.shape.d()),
        G(4 * in.shape.H + 2 * in.shape.heads),
        H(in.shape.H),
        steps(in.shape.begins[b + 1] - in.shape.begins[b]),
        q(in.gates + in.shape.begins[b] * G + head * d),
        k(q + H),
        v(k + H),
        o(v + H),
        i(in.gates + in.shape.begins[b] * G + 4 * H + head),
        f(i + in.shape.heads),
        scale(static_cast<Scalar>(1 / std::sqrt(static_cast<double>(d)))),
        exponential(in.shape.exponential) {}
};

// What f is at most where it multiplies zeros, in logarithms: products with it are finite.
constexpr double kMostOfNothing = 40;

template <class Scalar>
bool is_zero(const Scalar* x, std::int64_t count, std::int64_t stride = 1) {
  for (std::int64_t k = 0; k < count; ++k)
    if (x[k * stride] != 0) return false;
  return true;
}
template <class Scalar>
bool mlstm_is_empty(std::int64_t d, const Scalar* C, const Scalar* n) {
  return is_zero(n, d) && is_zero(C, d * d);
}

// The stabilised gates of a step, `empty` where there is no state before. m is rounded to what a
// state is, and f makes up for it while that is little: otherwise C would drift away from where m
// says that it is.
template <class Scalar>
struct MlstmGates {
  Scalar i, f, m;
  bool fresh;  // whether m is i~

  MlstmGates(const MlstmHead<Scalar>& head, std::int64_t t, Scalar before, bool empty) {
    const double input = head.i[t * head.G], forget = head.f[t * head.G];
    const double log_f =
        head.exponential ? forget : std::min(forget, 0.0) - std::log1p(std::exp(-std::abs(forget)));
    const double kept = log_f + static_cast<double>(before);
    const auto rounded = static_cast<Scalar>(kept);
    fresh = empty || input >= kept;
    m = fresh ? static_cast<Scalar>(input) : rounded;
    i = static_cast<Scalar>(std::exp(input - m));
    const double log_kept = (std::abs(m) < kMakesUp<Scalar> ? kept : rounded) - m;
    f = static_cast<Scalar>(std::exp(std::min(log_kept, kMostOfNothing)));
  }
};

// The derivative of log f by f~.
template <class Scalar>
Scalar mlstm_forget_slope(const MlstmHead<Scalar>& head, std::int64_t t) {
  if (head.exponential) return 1;
  return static_cast<Scalar>(1 / (1 + std::exp(static_cast<double>(head.f[t * head.G]))));
}

// What |n . q| is at least, in numbers divided by exp(m); not 0, which q may be too.
template <class Scalar>
Scalar mlstm_least(Scalar m) {
  return std::max(static_cast<Scalar>(std::exp(-static_cast<double>(m))),
                  std::numeric_limits<Scalar>::min());
}

// What h is divided by, with the norm n . q. NaN where that has overflowed, not the 0 of a
// division: the least may be infinite, where h is nothing.
template <class Scalar>
Scalar mlstm_divisor(Scalar norm, Scalar m) {
  if (!std::isfinite(norm)) return std::numeric_limits<Scalar>::quiet_NaN();
  return std::max(std::abs(norm), mlstm_least(m));
}

// h = o num / den, in y.
template <class Scalar>
void mlstm_output(const MlstmHead<Scalar>& head, std::int64_t t, Scalar den, Scalar* y) {
  constexpr int V = lanes<Scalar>;
  const Scalar* const o = head.o + t * head.G;
  const auto by = broadcast(1 / den);
  for (std::int64_t c = 0; c < head.d; c += V) {
    const std::int64_t count = head.d - c;
    const auto gate = sigmoid<Scalar>(load_first(o + c, count));
    store_first(y + c, mul(gate, mul(by, load_first<Scalar>(y + c, count))), count);
  }
}

// One step: the state is read and written once.
template <class Scalar>
void mlstm_step(const MlstmHead<Scalar>& head, std::int64_t t, Scalar* C, Scalar* n, Scalar* m,
                Scalar* y) {
  constexpr int V = lanes<Scalar>;
  const MlstmGates<Scalar> gates(head, t, *m, mlstm_is_empty(head.d, C, n));
  const Scalar *const q = head.q + t * head.G, *const k = head.k + t * head.G,
                      *const v = head.v + t * head.G;
  const auto f = broadcast(gates.f);
  const Scalar input = gates.i * head.scale;
  std::fill_n(y, head.d, Scalar(0));
  for (std::int64_t r = 0; r < head.d; ++r, C += head.d) {
    const auto key = broadcast(input * k[r]), query = broadcast(q[r]);
    for (std::int64_t c = 0; c < head.d; c += V) {
      const std::int64_t count = head.d - c;
      const auto now =
          madd(f, load_first<Scalar>(C + c, count), mul(key, load_first(v + c, count)));
      store_first(C + c, now, count);
      store_first(y + c, madd(query, now, load_first<Scalar>(y + c, count)), count);
    }
  }
  row_scale<Scalar>(head.d, gates.f, n, n);
  row_add(head.d, input, k, n);
  *m = gates.m;
  mlstm_output(head, t, mlstm_divisor(row_dot<Scalar>(head.d, n, q), gates.m), y);
}

// A chunk of L steps, of `most` at most: its gates, its scores and room to work in.
template <class Scalar>
struct MlstmChunk {
  std::int64_t most, d, L = 0;
  std::int64_t empty = 0;  // steps, of the first, without a state before
  int threads;             // of its products
  Scalar before = 0;       // m of the state before
  Scalar* products;
  Scalar *i, *f, *m, *g, *sums,
      *row;          // (L): of each step; sums of the rows of A, the last row of D
  Scalar *A, *wide;  // (L, most), (L, d)
  Scalar* rest;      // what the way back has more of

  static std::int64_t size(std::int64_t most, std::int64_t d, int wides, int squares, int threads) {
    return sum_of({product_of(kScratch<Scalar>, threads), product_of(most, 10),
                   product_of(most, most, squares), product_of(most, d, wides)});
  }

  MlstmChunk(std::int64_t steps, std::int64_t numbers, int within, Scalar* scratch)
      : most(steps),
        d(numbers),
        threads(within),
        products(scratch),
        i(products + kScratch<Scalar> * within),
        f(i + most),
        m(f + most),
        g(m + most),
        sums(g + most),
        row(sums + most),
        A(row + most),
        wide(A + most * most),
        rest(wide + most * d) {}

  // The gates of `count` steps from t on, after this state.
  void begin(const MlstmHead<Scalar>& head, std::int64_t t, std::int64_t count, const Scalar* C,
             const Scalar* n, Scalar first) {
    L = count;
    before = first;
    empty = mlstm_is_empty(d, C, n) ? 1 : 0;
    // A step without a key leaves nothing behind.
    while (empty > 0 && empty < L && is_zero(head.k + (t + empty - 1) * head.G, d)) ++empty;
    Scalar decay = 1;
    for (std::int64_t s = 0; s < L; ++s) {
      const MlstmGates<Scalar> gates(head, t + s, first, s < empty);
      i[s] = gates.i;
      f[s] = gates.f;
      m[s] = first = gates.m;
      g[s] = decay *= gates.f;
    }
  }

  // A and the last row of D; D itself to `decays` (L, most), if that is not null.
  void score(const MlstmHead<Scalar>& head, std::int64_t t, Scalar* decays) {
    constexpr int V = lanes<Scalar>;
    multiply(L, L, d, LeftByRows<Scalar>{head.q + t * head.G, head.G},
             RightByColumns<Scalar>{head.k + t * head.G, head.G},
             Target<Scalar>{A, most, Start::zero, nullptr}, products, threads);
    std::fill_n(row, L, Scalar(0));
    const auto scale = broadcast(head.scale);
    for (std::int64_t s = 0; s < L; ++s) {
      row_scale<Scalar>(s, f[s], row, row);
      row[s] = i[s];
      Scalar* const scores = A + s * most;
      auto sum = zeros<Scalar>();
      for (std::int64_t j = 0; j < L; j += V) {
        const auto decay = load_first<Scalar>(row + j, L - j);
        const auto score = mul(mul(load_first<Scalar>(scores + j, L - j), scale), decay);
        store_first(scores + j, score, L - j);
        sum = add(sum, score);
        if (decays != nullptr) store_first(decays + s * most + j, decay, L - j);
      }
      sums[s] = horizontal_sum(sum);
    }
  }

  // wide = factors x, of the rows of x.
  void weigh(const Scalar* factors, const Scalar* x, std::int64_t stride, Scalar by, Scalar* to) {
    for (std::int64_t s = 0; s < L; ++s) row_scale(d, by * factors[s], x + s * stride, to + s * d);
  }
};

// The steps from t on, from one state to the next.
template <class Scalar>
void mlstm_chunk(const MlstmHead<Scalar>& head, std::int64_t t, MlstmChunk<Scalar>& chunk,
                 Scalar* C, Scalar* n, Scalar* m, Scalar* y) {
  const std::int64_t d = head.d, L = chunk.L;
  const Scalar* const v = head.v + t * head.G;
  chunk.score(head, t, nullptr);
  chunk.weigh(chunk.g, head.q + t * head.G, head.G, 1, chunk.wide);
  multiply(L, d, d, LeftByRows<Scalar>{chunk.wide, d}, RightByRows<Scalar>{C, d},
           Target<Scalar>{y, head.H, Start::zero, nullptr}, chunk.products, chunk.threads);
  multiply(L, d, L, LeftByRows<Scalar>{chunk.A, chunk.most}, RightByRows<Scalar>{v, head.G},
           Target<Scalar>{y, head.H, Start::add, nullptr}, chunk.products, chunk.threads);
  for (std::int64_t s = 0; s < L; ++s) {
    const Scalar norm = chunk.sums[s] + row_dot<Scalar>(d, chunk.wide + s * d, n);
    mlstm_output(head, t + s, mlstm_divisor(norm, chunk.m[s]), y + s * head.H);
  }
  const Scalar decay = chunk.g[L - 1];
  chunk.weigh(chunk.row, head.k + t * head.G, head.G, head.scale, chunk.wide);
  row_scale<Scalar>(d * d, decay, C, C);
  multiply(d, d, L, LeftByColumns<Scalar>{chunk.wide, d}, RightByRows<Scalar>{v, head.G},
           Target<Scalar>{C, d, Start::add, nullptr}, chunk.products, chunk.threads);
  row_scale<Scalar>(d, decay, n, n);
  for (std::int64_t s = 0; s < L; ++s) row_add(d, Scalar(1), chunk.wide + s * d, n);
  *m = chunk.m[L - 1];
}

// What is kept of the states before chunks: C, n and m of each chunk of each head of each sequence.
template <class Scalar>
class MlstmKept {
 public:
  MlstmKept(const XlstmShape& shape, std::int64_t chunk) : shape_(shape), chunk_(chunk) {}

  // False if there is no memory for the table.
  bool create() {
    if (!first_.reserve(shape_.B + 1)) return false;
    first_[0] = 0;
    for (std::int64_t b = 0; b < shape_.B; ++b) first_[b + 1] = first_[b] + chunks(b);
    return true;
  }
  std::int64_t one() const { return shape_.d() * shape_.d() + shape_.d() + 1; }
  std::int64_t chunks(std::int64_t b) const {
    return ceil_div(shape_.begins[b + 1] - shape_.begins[b], chunk_);
  }
  // Where the first chunk of a head of a sequence begins.
  std::int64_t begin(std::int64_t b, int head) const {
    return (first_[b] * shape_.heads + head * chunks(b)) * one();
  }

 private:
  const XlstmShape& shape_;
  std::int64_t chunk_;
  Buffer<std::int64_t> first_;  // of each sequence
};

// Calls f(b, head, threads, rank) for each head of each sequence: these among the threads, or where
// there are fewer, the threads within each.
template <class F>
void for_heads(const XlstmShape& shape, int threads, const F& f) {
  const std::int64_t all = shape.B * shape.heads;
  const auto one = [&](std::int64_t index, int within, int rank) {
    f(index / shape.heads, static_cast<int>(index % shape.heads), within, rank);
  };
  if (all < threads) {
    for (std::int64_t index = 0; index < all; ++index) one(index, threads, 0);
    return;
  }
  const std::int64_t work = shape.rows() * shape.H * shape.d();
  parallel(useful_threads(threads, work, 1 << 16), [&](int rank, int size) {
    const Range mine = share(all, rank, size);
    for (std::int64_t index = mine.begin; index < mine.end; ++index) one(index, 1, rank);
  });
}

template <class Scalar>
void copy_or_clear(const Scalar* from, std::int64_t count, Scalar* to) {
  if (from == nullptr)
    std::fill_n(to, count, Scalar(0));
  else if (from != to)
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Scalar));
}

}  // namespace detail

template <class Scalar>
std::int64_t mlstm_kept_size(const XlstmShape& shape, std::int64_t chunk) {
  const detail::MlstmKept<Scalar> kept(shape, chunk);
  std::int64_t chunks = 0;
  for (std::int64_t b = 0; b < shape.B; ++b) chunks += kept.chunks(b);
  return product_of(chunks, shape.heads, kept.one());
}

template <class Scalar>
Status mlstm_forward(const MlstmInput<Scalar>& in, Scalar* y, const MlstmState<Scalar>& final,
                     Scalar* kept, int threads) {
  using Chunk = detail::MlstmChunk<Scalar>;
  const XlstmShape& shape = in.shape;
  const std::int64_t d = shape.d(), size = Chunk::size(in.chunk, d, 1, 1, 1),
                     all = Chunk::size(in.chunk, d, 1, 1, threads);
  Buffer<Scalar> scratch;
  detail::MlstmKept<Scalar> places(shape, in.chunk);
  if (!scratch.reserve(std::max(product_of(size, threads), all)) || !places.create())
    return Status::out_of_memory;
  detail::for_heads(shape, threads, [&](std::int64_t b, int number, int within, int rank) {
    const detail::MlstmHead<Scalar> head(in, b, number);
    const std::int64_t index = b * shape.heads + number;
    Scalar *const C = final.C + index * d * d, *const n = final.n + index * d,
                  *const m = final.m + index;
    const auto& initial = in.initial;
    detail::copy_or_clear(initial.C == nullptr ? nullptr : initial.C + index * d * d, d * d, C);
    detail::copy_or_clear(initial.n == nullptr ? nullptr : initial.n + index * d, d, n);
    detail::copy_or_clear(initial.m == nullptr ? nullptr : initial.m + index, 1, m);
    Scalar* const own = y + shape.begins[b] * shape.H + number * d;
    Scalar* to = kept == nullptr ? nullptr : kept + places.begin(b, number);
    Chunk chunk(in.chunk, d, within, scratch.data() + rank * size);
    for (std::int64_t t = 0; t < head.steps; t += in.chunk) {
      if (kept == nullptr && in.chunk == 1) {
        detail::mlstm_step(head, t, C, n, m, own + t * shape.H);
        continue;
      }
      if (kept != nullptr) {
        detail::copy_or_clear<Scalar>(C, d * d, to);
        detail::copy_or_clear<Scalar>(n, d, to + d * d);
        to[d * d + d] = *m;
        to += places.one();
      }
      chunk.begin(head, t, std::min(in.chunk, head.steps - t), C, n, *m);
      detail::mlstm_chunk(head, t, chunk, C, n, m, own + t * shape.H);
    }
  });
  return Status::ok;
}

}  // namespace rnnfast
