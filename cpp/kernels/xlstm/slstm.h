// sLSTM (Beck et al. 2024, section 2.2), of each unit, with the stabiliser of appendix A:
//
//   m = max(log f + m', i~),  i = exp(i~ - m),  f = exp(log f + m' - m)
//   c = f c' + i z,  n = f n' + i,  h = o c / n
//
// z = tanh(z~), o = sigmoid(o~), each gate's pre-activation a product of the input and one of the
// h' of the units of its own head. Before the first step nothing is remembered, c' = n' = 0, and m
// = i~ whatever m' is.
//
// Kept of each step: i, f, z, o, the derivative of log f by f~, c, n.
#pragma once

#include <algorithm>

#include "kernels/abi/xlstm.h"
#include "kernels/core/activations.h"
#include "kernels/gemm/panel_tiles.h"
#include "kernels/gemm/tiling.h"
#include "kernels/threads/parallel.h"
#include "kernels/xlstm/stabiliser.h"

namespace rnnfast {

namespace detail {

constexpr int kSlstmGates = 4, kSlstmKept = 7;

// exp(x) for an x that is hardly above 0, or where exp(x) multiplies nothing but 0.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> exp_bounded(const Vec<Scalar>& x) {
  return exp_nonpositive<Scalar>(
      keep_nan_min<Vec<Scalar>>(x, broadcast(Scalar(sizeof(Scalar) == 4 ? 80 : 700))));
}

// log sigmoid(x) = min(x, 0) - log(1 + e) with e = exp(-|x|), log(1 + e) = 2 artanh(e / (2 + e)):
// a series in the square of that, which is at most 1/9.
template <class Scalar>
RNNFAST_INLINE Vec<Scalar> log_sigmoid(const Vec<Scalar>& x) {
  constexpr int terms = sizeof(Scalar) == 4 ? 8 : 17;
  const auto e = exp_nonpositive<Scalar>(sub(zeros<Scalar>(), absolute(x)));
  const auto s = divide(e, add(broadcast(Scalar(2)), e)), square = mul(s, s);
  auto sum = broadcast(Scalar(2.0 / (2 * terms - 1)));
#pragma GCC unroll 17
  for (int k = terms - 2; k >= 0; --k)
    sum = madd(sum, square, broadcast(Scalar(2.0 / (2 * k + 1))));
  return nmadd(s, sum, keep_nan_min<Vec<Scalar>>(x, zeros<Scalar>()));
}

// A vector of units of one step: their pre-activations become i, f, z, o, and the state moves on.
template <class Scalar>
struct SlstmUnits {
  using V = Vec<Scalar>;
  V gates[kSlstmGates], slope, c, n, m;

  RNNFAST_INLINE V step(bool exponential) {
    const V one = broadcast(Scalar(1)), zero = zeros<Scalar>();
    const V input = gates[0], forget = gates[1];
    const V log_f = exponential ? forget : log_sigmoid<Scalar>(forget);
    slope = exponential ? one : sub(one, sigmoid<Scalar>(forget));
    const V empty = bits_and(equal(c, zero), equal(n, zero));
    // Of the larger of both, and of the input where nothing is remembered.
    const V moved = add(log_f, m), larger = keep_nan_max<V>(input, moved);
    const V now = bits_or(bits_and(empty, input), bits_without(larger, empty));
    gates[0] = exp_bounded<Scalar>(sub(input, now));
    const V small = less(absolute(now), broadcast(kMakesUp<Scalar>));
    gates[1] = exp_bounded<Scalar>(
        bits_or(bits_and(small, add(log_f, sub(m, now))), bits_without(sub(moved, now), small)));
    gates[2] = tanh<Scalar>(gates[2]);
    gates[3] = sigmoid<Scalar>(gates[3]);
    c = madd(gates[1], c, mul(gates[0], gates[2]));
    n = madd(gates[1], n, gates[0]);
    m = now;
    return mul(gates[3], divide(c, n));
  }
};

// How a layer's sequences and units are cut: unit blocks of whole vectors within each head, the
// sequences by their lengths.
template <class Scalar>
struct SlstmLayout {
  static constexpr int V = lanes<Scalar>;
  const XlstmShape& shape;
  std::int64_t H, d, blocks;   // units, of a head, vectors of a head
  Buffer<std::int64_t> order;  // (B): sequences, the longest first
  std::int64_t steps = 0;      // of the longest

  explicit SlstmLayout(const XlstmShape& given)
      : shape(given), H(given.H), d(given.d()), blocks(ceil_div(d, V)) {}

  bool reserve() {
    if (!order.reserve(shape.B)) return false;
    for (std::int64_t b = 0; b < shape.B; ++b) order[b] = b;
    std::stable_sort(order.data(), order.data() + shape.B,
                     [this](std::int64_t a, std::int64_t b) { return length(a) > length(b); });
    if (shape.B > 0) steps = length(order[0]);
    return true;
  }
  std::int64_t length(std::int64_t b) const { return shape.begins[b + 1] - shape.begins[b]; }
  // How many of the sequences in their order have a step t.
  std::int64_t rows_at(std::int64_t t, std::int64_t before) const {
    while (before > 0 && length(order[before - 1]) <= t) --before;
    while (before < shape.B && length(order[before]) > t) ++before;
    return before;
  }

  // Sequences are dealt out if there are enough of them, else unit blocks.
  TeamPlan plan(int threads) const {
    TeamPlan plan;
    const std::int64_t work = kSlstmGates * H * d;
    plan.split_rows = shape.B >= 2 * threads;
    const bool apart = plan.split_rows || shape.heads % threads == 0;
    plan.threads = apart ? useful_threads(threads, shape.rows() * work, 1 << 18)
                         : useful_threads(threads, shape.B * work, 1 << 16);
    return plan;
  }
  // Whether a worker has to wait for others between steps.
  bool waits(const Worker& worker) const {
    return worker.waits() && shape.heads % worker.members != 0;
  }

  // Calls f(head, blocks of it) for this worker's.
  template <class F>
  void for_blocks(const Worker& worker, const F& f) const {
    const Range mine = worker.my_blocks(shape.heads * blocks);
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const Range own{std::max<std::int64_t>(0, mine.begin - head * blocks),
                      std::min(blocks, mine.end - head * blocks)};
      if (own.begin < own.end) f(head, own);
    }
  }

  // Products of rows, of K numbers each, with the panels of a head's blocks, `vectors` each:
  // calls f(row, unit within the head, sums) for each row and block. left_of(row) is a row's.
  template <class Left, class F>
  void products(int vectors, std::int64_t K, const Scalar* panels, Range own, Range rows,
                const Left& left_of, const F& f) const {
    if (rows.begin >= rows.end) return;
    const TileShape tiles = tile_shape(vectors);
    for_block_groups(
        group_size(tiles, rows.end - rows.begin), own, false, own.begin,
        [&](std::int64_t block, int group, std::int64_t next) {
          for_row_tiles(
              tiles.rows, rows, next, [&](std::int64_t row, int count, const Prefetch& prefetch) {
                const Scalar* left[kMostRows];
                for (int r = 0; r < count; ++r) left[r] = left_of(row + r);
                const TileSize size{count, group};
                TileSums<Scalar> sums(size, vectors);
                multiply_tile(vectors, size, PanelTile<Scalar>{left, K, panels, block, prefetch},
                              sums.all());
                for (int u = 0; u < group; ++u)
                  for (int r = 0; r < count; ++r) f(row + r, (block + u) * V, sums.at(r, u));
              });
        });
  }
};

template <class Scalar>
void copy_state(const Scalar* from, std::int64_t count, Scalar* to) {
  if (from == nullptr)
    std::fill_n(to, count, Scalar(0));
  else
    std::copy_n(from, count, to);
}

}  // namespace detail

// The recurrent weight (4H, d), a unit's rows of its own head, in panels: [head][block][k][gate].
template <class Scalar>
std::int64_t slstm_packed_size(std::int64_t H, int heads) {
  const std::int64_t d = H / heads, V = lanes<Scalar>;
  return product_of(heads, ceil_div(d, V) * V, d, detail::kSlstmGates);
}

template <class Scalar>
void slstm_pack(std::int64_t H, int heads, const Scalar* weight, Scalar* packed) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t d = H / heads;
  for (std::int64_t head = 0; head < heads; ++head)
    for (std::int64_t u = 0; u < d; u += V)
      for (std::int64_t k = 0; k < d; ++k)
        for (int g = 0; g < detail::kSlstmGates; ++g)
          for (int lane = 0; lane < V; ++lane) {
            const std::int64_t row = g * H + head * d + u + lane;
            *packed++ = u + lane < d ? weight[row * d + k] : Scalar(0);
          }
}

inline std::int64_t slstm_kept_size(const XlstmShape& shape) {
  return product_of(shape.rows(), detail::kSlstmKept, shape.H);
}

template <class Scalar>
Status slstm_forward(const SlstmInput<Scalar>& in, Scalar* y, const SlstmState<Scalar>& final,
                     Scalar* kept, int threads) {
  constexpr int V = lanes<Scalar>, G = detail::kSlstmGates;
  const XlstmShape& shape = in.shape;
  detail::SlstmLayout<Scalar> layout(shape);
  const std::int64_t H = layout.H, d = layout.d, states = shape.B * H;
  Buffer<Scalar> nothing;
  if (!layout.reserve() || !nothing.reserve_zeroed(H)) return Status::out_of_memory;
  detail::copy_state(in.initial.c, states, final.c);
  detail::copy_state(in.initial.n, states, final.n);
  detail::copy_state(in.initial.m, states, final.m);
  run_team(layout.plan(threads), [&](Worker& worker) {
    if (worker.split_rows) worker.rows = share(shape.B, worker.member, worker.members);
    std::int64_t count = shape.B;
    for (std::int64_t t = 0; t < layout.steps; ++t) {
      count = layout.rows_at(t, count);
      const Range rows = worker.my_rows({0, count});
      layout.for_blocks(worker, [&](std::int64_t head, Range own) {
        const auto before = [&](std::int64_t r) {
          const std::int64_t b = layout.order[r];
          const Scalar* h = nothing.data();
          if (t > 0)
            h = y + (shape.begins[b] + t - 1) * H;
          else if (in.initial.h != nullptr)
            h = in.initial.h + b * H;
          return h + head * d;
        };
        const auto step = [&](std::int64_t r, std::int64_t unit, const Scalar* sums) {
          const std::int64_t b = layout.order[r], row = shape.begins[b] + t, left = d - unit,
                             at = head * d + unit;
          detail::SlstmUnits<Scalar> units;
          for (int g = 0; g < G; ++g)
            units.gates[g] =
                add(load(sums + g * V), load_first(in.gates + (row * G + g) * H + at, left));
          Scalar* const state[] = {final.c + b * H + at, final.n + b * H + at,
                                   final.m + b * H + at};
          units.c = load_first<Scalar>(state[0], left);
          units.n = load_first<Scalar>(state[1], left);
          units.m = load_first<Scalar>(state[2], left);
          store_first(y + row * H + at, units.step(shape.exponential), left);
          store_first(state[0], units.c, left);
          store_first(state[1], units.n, left);
          store_first(state[2], units.m, left);
          if (kept == nullptr) return;
          Scalar* const to = kept + row * detail::kSlstmKept * H + at;
          for (int g = 0; g < G; ++g) store_first(to + g * H, units.gates[g], left);
          store_first(to + 4 * H, units.slope, left);
          store_first(to + 5 * H, units.c, left);
          store_first(to + 6 * H, units.n, left);
        };
        layout.products(G, d, in.packed + head * layout.blocks * V * d * G, own, rows, before,
                        step);
      });
      if (layout.waits(worker)) worker.step_barrier();
    }
  });
  for (std::int64_t b = 0; b < shape.B; ++b) {
    const Scalar* last = in.initial.h == nullptr ? nothing.data() : in.initial.h + b * H;
    if (layout.length(b) > 0) last = y + (shape.begins[b + 1] - 1) * H;
    detail::copy_state(last, H, final.h + b * H);
  }
  return Status::ok;
}

}  // namespace rnnfast
