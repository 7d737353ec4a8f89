// The way back through mLSTM, chunk by chunk from the last one.
//
// The stabilisers count as constants: outputs do not depend on how a state is divided by exp(m). Of
// a final state's gradient, what is left for its m goes to the i~ or the m0 whence that m came.
#pragma once

#include "kernels/xlstm/mlstm.h"

namespace rnnfast {

namespace detail {

// What the way back keeps from chunk to chunk, and works in.
template <class Scalar>
struct MlstmBack {
  Scalar *dC, *dn;                // (d, d), (d) of the state after the chunk, then before it
  Scalar dm;                      // what is left for m
  bool last;                      // whether the final state's gradient has yet to give dm its share
  Scalar *D, *dA, *P, *weighted;  // (L, most) twice, (L, d) twice
  Scalar *carried, *written;  // (L): what reaches each step by the state before, by the one after
  Scalar *columns, *dnorm;    // (L)

  static constexpr int kWides = 3, kSquares = 3;

  MlstmBack(const MlstmChunk<Scalar>& chunk, Scalar* to_C, Scalar* to_n)
      : dC(to_C),
        dn(to_n),
        dm(0),
        last(true),
        D(chunk.rest),
        dA(D + chunk.most * chunk.most),
        P(dA + chunk.most * chunk.most),
        weighted(P + chunk.most * chunk.d),
        carried(weighted + chunk.most * chunk.d),
        written(carried + chunk.most),
        columns(written + chunk.most),
        dnorm(columns + chunk.most) {}
};

// h = o num / den, den = max(|norm|, least): P = dnum, dnorm, and the gradient of o~.
template <class Scalar>
void mlstm_output_backward(const MlstmHead<Scalar>& head, std::int64_t t, Scalar norm, Scalar least,
                           const Scalar* y, const Scalar* dy, Scalar* P, Scalar* dnorm,
                           Scalar* dgate) {
  constexpr int V = lanes<Scalar>;
  const Scalar den = std::max(std::abs(norm), least);
  const auto by = broadcast(1 / den), one = broadcast(Scalar(1));
  const Scalar* const o = head.o + t * head.G;
  auto total = zeros<Scalar>();
  for (std::int64_t c = 0; c < head.d; c += V) {
    const std::int64_t count = head.d - c;
    const auto gate = sigmoid<Scalar>(load_first(o + c, count)), dh = load_first(dy + c, count),
               through = mul(dh, load_first(y + c, count));
    store_first(P + c, mul(mul(dh, gate), by), count);
    store_first(dgate + c, mul(through, sub(one, gate)), count);
    total = add(total, through);
  }
  *dnorm = 0;
  if (std::abs(norm) > least) *dnorm = -horizontal_sum(total) / norm;
}

// The chunk whose steps begin at t, from the state C, n before it. y, dy and dgates are those of
// the head's first step in the chunk.
template <class Scalar>
void mlstm_chunk_backward(const MlstmHead<Scalar>& head, std::int64_t t, MlstmChunk<Scalar>& chunk,
                          MlstmBack<Scalar>& back, const Scalar* C, const Scalar* n,
                          const Scalar* y, const Scalar* dy, Scalar* dgates) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t d = head.d, L = chunk.L, G = head.G, most = chunk.most;
  const Scalar *const q = head.q + t * G, *const k = head.k + t * G, *const v = head.v + t * G;
  Scalar *const dq = dgates, *const dk = dq + head.H, *const dv = dk + head.H,
                *const dout = dv + head.H;
  const LeftByRows<Scalar> by_row{back.P, d};
  const auto to = [](Scalar* data, std::int64_t stride, Start start) {
    return Target<Scalar>{data, stride, start, nullptr};
  };
  const auto run = [&](std::int64_t M, std::int64_t N, std::int64_t K, const auto& left,
                       const auto& right, const Target<Scalar>& target) {
    multiply(M, N, K, left, right, target, chunk.products, chunk.threads);
  };
  chunk.score(head, t, back.D);
  chunk.weigh(chunk.g, q, G, 1, chunk.wide);
  for (std::int64_t s = 0; s < L; ++s)
    mlstm_output_backward(head, t + s, chunk.sums[s] + row_dot<Scalar>(d, chunk.wide + s * d, n),
                          mlstm_least(chunk.m[s]), y + s * head.H, dy + s * head.H, back.P + s * d,
                          back.dnorm + s, dout + s * G);

  // num = A V + g Q C, norm = sum of A + g Q n, A = D * (scale Q K^T): dA becomes the gradient of
  // Q K^T, and D that of log D.
  run(L, L, d, by_row, RightByColumns<Scalar>{v, G}, to(back.dA, most, Start::zero));
  const auto scale = broadcast(head.scale);
  for (std::int64_t s = 0; s < L; ++s) {
    const auto dnorm = broadcast(back.dnorm[s]);
    for (std::int64_t j = 0; j < L; j += V) {
      const std::int64_t at = s * most + j, count = L - j;
      const auto dA = add(load_first<Scalar>(back.dA + at, count), dnorm);
      store_first(back.dA + at, mul(mul(dA, scale), load_first<Scalar>(back.D + at, count)), count);
      store_first(back.D + at, mul(dA, load_first<Scalar>(chunk.A + at, count)), count);
    }
  }
  run(L, d, L, LeftByColumns<Scalar>{chunk.A, most}, RightByRows<Scalar>{back.P, d},
      to(dv, G, Start::zero));

  // What passes through the state before: the products with it, then those within the chunk.
  chunk.weigh(chunk.g, back.P, d, 1, back.weighted);
  run(L, d, d, LeftByRows<Scalar>{back.weighted, d}, RightByColumns<Scalar>{C, d},
      to(dq, G, Start::zero));
  for (std::int64_t s = 0; s < L; ++s) {
    row_add<Scalar>(d, chunk.g[s] * back.dnorm[s], n, dq + s * G);
    back.carried[s] = row_dot<Scalar>(d, q + s * G, dq + s * G);
  }
  run(L, d, L, LeftByRows<Scalar>{back.dA, most}, RightByRows<Scalar>{k, G}, to(dq, G, Start::add));

  // What passes through the state after: C' = g C + sum of w k v^T with w the last row of D.
  run(L, d, d, LeftByRows<Scalar>{v, G}, RightByColumns<Scalar>{back.dC, d},
      to(dk, G, Start::zero));
  for (std::int64_t s = 0; s < L; ++s) {
    Scalar* const row = dk + s * G;
    row_add<Scalar>(d, Scalar(1), back.dn, row);
    row_scale<Scalar>(d, chunk.row[s] * head.scale, row, row);
    back.written[s] = row_dot<Scalar>(d, k + s * G, row);
  }
  run(L, d, L, LeftByColumns<Scalar>{back.dA, most}, RightByRows<Scalar>{q, G},
      to(dk, G, Start::add));
  chunk.weigh(chunk.row, k, G, head.scale, back.weighted);
  run(L, d, d, LeftByRows<Scalar>{back.weighted, d}, RightByRows<Scalar>{back.dC, d},
      to(dv, G, Start::add));
  const Scalar decay = chunk.g[L - 1];
  Scalar kept = decay * (row_dot<Scalar>(d * d, back.dC, C) + row_dot<Scalar>(d, back.dn, n));
  if (back.last) {
    back.dm -= kept + row_sum<Scalar>(L, back.written);
    back.last = false;
  }
  row_scale<Scalar>(d * d, decay, back.dC, back.dC);
  run(d, d, L, LeftByColumns<Scalar>{chunk.wide, d}, RightByRows<Scalar>{back.P, d},
      to(back.dC, d, Start::add));
  row_scale<Scalar>(d, decay, back.dn, back.dn);
  for (std::int64_t s = 0; s < L; ++s)
    row_add<Scalar>(d, back.dnorm[s], chunk.wide + s * d, back.dn);

  // log D<t,j> = i~<j> - m<t> + sum of log f from j + 1 to t, log g and log w alike. `columns` are
  // the sums over the rows from s on.
  Scalar *const di = dgates + (head.i - head.q), *const df = dgates + (head.f - head.q);
  std::fill_n(back.columns, L, Scalar(0));
  for (std::int64_t s = L - 1; s >= 0; --s) {
    row_add<Scalar>(s + 1, Scalar(1), back.D + s * most, back.columns);
    kept += back.carried[s];
    Scalar input = back.columns[s] + back.written[s];
    Scalar forget = kept + row_sum<Scalar>(s, back.columns) + row_sum<Scalar>(s, back.written);
    if (back.dm != 0) {
      const Scalar before = s > 0 ? chunk.m[s - 1] : chunk.before;
      if (MlstmGates<Scalar>(head, t + s, before, s < chunk.empty).fresh) {
        input += back.dm;
        back.dm = 0;
      } else {
        forget += back.dm;
      }
    }
    di[s * G] = input;
    df[s * G] = forget * mlstm_forget_slope(head, t + s);
  }
}

}  // namespace detail

template <class Scalar>
Status mlstm_backward(const MlstmInput<Scalar>& in, const MlstmGradients<Scalar>& g, int threads) {
  using Chunk = detail::MlstmChunk<Scalar>;
  using Back = detail::MlstmBack<Scalar>;
  const XlstmShape& shape = in.shape;
  const std::int64_t d = shape.d(),
                     size = Chunk::size(in.chunk, d, Back::kWides, Back::kSquares, 1),
                     all = Chunk::size(in.chunk, d, Back::kWides, Back::kSquares, threads);
  Buffer<Scalar> scratch;
  detail::MlstmKept<Scalar> places(shape, in.chunk);
  if (!scratch.reserve(std::max(product_of(size, threads), all)) || !places.create())
    return Status::out_of_memory;
  detail::for_heads(shape, threads, [&](std::int64_t b, int number, int within, int rank) {
    const detail::MlstmHead<Scalar> head(in, b, number);
    const std::int64_t index = b * shape.heads + number;
    const auto at = [index](const Scalar* data, std::int64_t count) {
      return data == nullptr ? nullptr : data + index * count;
    };
    Chunk chunk(in.chunk, d, within, scratch.data() + rank * size);
    Back back(chunk, g.dinitial.C + index * d * d, g.dinitial.n + index * d);
    detail::copy_or_clear(at(g.dfinal.C, d * d), d * d, back.dC);
    detail::copy_or_clear(at(g.dfinal.n, d), d, back.dn);
    detail::copy_or_clear(at(g.dfinal.m, 1), 1, &back.dm);
    back.last = g.dfinal.C != nullptr;
    const Scalar* const kept = g.kept + places.begin(b, number);
    const std::int64_t row = shape.begins[b];
    for (std::int64_t c = places.chunks(b) - 1; c >= 0; --c) {
      const Scalar* const C = kept + c * places.one();
      const std::int64_t t = c * in.chunk, from = (row + t) * shape.H + number * d;
      chunk.begin(head, t, std::min(in.chunk, head.steps - t), C, C + d * d, C[d * d + d]);
      detail::mlstm_chunk_backward(head, t, chunk, back, C, C + d * d, g.y + from, g.dy + from,
                                   g.dgates + (row + t) * head.G + number * d);
    }
    Scalar* const dm = g.dinitial.m + index;
    *dm = back.dm;
    if (head.steps > 0 && in.initial.C != nullptr)
      *dm += row_dot<Scalar>(d * d, back.dC, in.initial.C + index * d * d) +
             row_dot<Scalar>(d, back.dn, in.initial.n + index * d);
  });
  return Status::ok;
}

}  // namespace rnnfast
