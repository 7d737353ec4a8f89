// The loop over time of SmallTable: sums in the order of direct.h, weights packed by blocks of
// units, h in the first cache, a linear layer behind it.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/abi/small.h"
#include "kernels/core/buffer.h"
#include "kernels/core/simd.h"
#include "kernels/gemm/column.h"
#include "kernels/gemm/tile.h"

namespace rnnfast {

// Units and inputs that fit: chains of sums that the other kernels would not cut, weights that stay
// in the first caches.
constexpr std::int64_t kMostSmallUnits = 128, kMostSmallInputs = 16, kMostSmallOutputs = 16;

// The opaque SmallNetwork of the table.
template <class Scalar>
struct SmallLayers {
  std::int64_t I = 0, H = 0, O = 0, blocks = 0, across = 0;
  Buffer<Scalar> bias, w_x, w_h;   // [block][slot][V], [block][input][x slot][V], as that
  Buffer<Scalar> head, head_bias;  // [H][outputs], padded to vectors; or [H] of a single output
  std::unique_ptr<const ColumnRows<Scalar>> column;  // which that one is made by, or null
  void (*run)(const SmallLayers& network, std::int64_t T, const Scalar* x,
              SmallState<Scalar>* state, Scalar* y) = nullptr;
};

// One step of U blocks of units from `block` on.
template <class Scalar, class Cell, int U>
RNNFAST_INLINE void small_blocks(const SmallLayers<Scalar>& n, std::int64_t block, const Scalar* x,
                                 const Scalar* before, Scalar* after, Scalar* carried) {
  constexpr int V = lanes<Scalar>;
  constexpr const CellDescriptor& cell = Cell::descriptor;
  constexpr int X = cell.x_count, G = cell.h_count, S = cell.slots;
  Vec<Scalar> from_x[U][X], from_h[U][G];
  const Scalar *w_x[U], *w_h[U], *bias[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) {
    bias[u] = n.bias.data() + (block + u) * S * V;
    w_x[u] = n.w_x.data() + (block + u) * n.I * X * V;
    w_h[u] = n.w_h.data() + (block + u) * n.H * G * V;
#pragma GCC unroll 4
    for (int i = 0; i < X; ++i) from_x[u][i] = load(bias[u] + i * V);
#pragma GCC unroll 4
    for (int i = 0; i < G; ++i) from_h[u][i] = zeros<Scalar>();
  }
  for (std::int64_t k = 0; k < n.I; ++k) {
    const Vec<Scalar> value = broadcast<Scalar>(x[k]);
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
      for (int i = 0; i < X; ++i)
        from_x[u][i] = madd(value, load(w_x[u] + (k * X + i) * V), from_x[u][i]);
  }
  for (std::int64_t k = 0; k < n.H; ++k) {
    const Vec<Scalar> value = broadcast<Scalar>(before[k]);
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
      for (int i = 0; i < G; ++i)
        from_h[u][i] = madd(value, load(w_h[u] + (k * G + i) * V), from_h[u][i]);
  }
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) {
    Vec<Scalar> v[S], carry, h;
#pragma GCC unroll 4
    for (int slot = 0; slot < S; ++slot) {
      v[slot] = slot < X ? from_x[u][slot < X ? slot : 0] : load(bias[u] + slot * V);
      const int gate = slot - cell.h_first;
      if (gate >= 0 && gate < G)
        v[slot] = add(v[slot], from_h[u][gate >= 0 && gate < G ? gate : 0]);
    }
    const std::int64_t unit = (block + u) * V;
    const Vec<Scalar> previous = load((cell.has_memory() ? carried : before) + unit);
    Cell::forward(v, previous, carry, h, static_cast<const Scalar*>(nullptr));
    store(after + unit, h);
    if constexpr (cell.has_memory()) store(carried + unit, carry);
  }
}

// Blocks side by side: as many sums as hide how long one takes, and that stay in registers. Wide
// vectors are few, and groups of fewer leave more to read down and up by turns.
constexpr int small_blocks_at_once(int sums) {
  constexpr int most = lanes<float> == 16 ? 8 : 12;
  int blocks = 1;
  while (2 * blocks * sums <= most) blocks *= 2;
  return blocks;
}

// The blocks from `block` on, U at a time while there are so many.
template <class Scalar, class Cell, int U>
RNNFAST_INLINE void small_rest(const SmallLayers<Scalar>& n, std::int64_t block, const Scalar* x,
                               const Scalar* before, Scalar* after, Scalar* carried) {
  for (; block + U <= n.blocks; block += U)
    small_blocks<Scalar, Cell, U>(n, block, x, before, after, carried);
  if constexpr (U > 1) small_rest<Scalar, Cell, U / 2>(n, block, x, before, after, carried);
}

// All blocks, U at a time while there are so many: up, or those down.
template <class Scalar, class Cell, int U>
RNNFAST_INLINE void small_step(const SmallLayers<Scalar>& n, bool down, const Scalar* x,
                               const Scalar* before, Scalar* after, Scalar* carried) {
  std::int64_t block = 0;
  const std::int64_t last = n.blocks / U * U - U;
  for (; block <= last; block += U)
    small_blocks<Scalar, Cell, U>(n, down ? last - block : block, x, before, after, carried);
  if constexpr (U > 1) small_rest<Scalar, Cell, U / 2>(n, block, x, before, after, carried);
}

// Steps whose outputs the linear layer takes at once: their chains of sums do not wait for each
// other, nor the next step for them.
constexpr int kSmallSteps = 8;

// `store_first`, but without a call for a single number, which most heads have.
template <class Scalar>
RNNFAST_INLINE void store_outputs(Scalar* to, const Vec<Scalar>& value, std::int64_t count) {
  if (count != 1) return store_first(to, value, count);
  alignas(64) Scalar buffer[lanes<Scalar>];
  store(static_cast<Scalar*>(buffer), value);
  *to = buffer[0];
}

// y = W h + b of R steps, h and y so many numbers apart: in the order of ops/linear.h. For all
// cells.
template <class Scalar, int R>
__attribute__((noinline)) void small_head(const SmallLayers<Scalar>& n, const Scalar* h,
                                          std::int64_t h_step, Scalar* y) {
  constexpr int V = lanes<Scalar>;
  if (n.column != nullptr)
    return n.column->template multiply<R>(h, h_step, n.head.data(), n.head_bias[0], y, 1);
  for (std::int64_t o = 0; o < n.O; o += V) {
    Vec<Scalar> sum[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] = load(n.head_bias.data() + o);
    for (std::int64_t k = 0; k < n.H; ++k) {
      const Vec<Scalar> weight = load(n.head.data() + k * n.across + o);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        sum[r] = madd(broadcast<Scalar>(h[r * h_step + k]), weight, sum[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) store_outputs(y + r * n.O + o, sum[r], n.O - o);
  }
}

template <class Scalar, class Cell>
void small_run(const SmallLayers<Scalar>& n, std::int64_t T, const Scalar* x,
               SmallState<Scalar>* state, Scalar* y) {
  constexpr int V = lanes<Scalar>;
  constexpr std::int64_t kMost = kMostSmallUnits;
  // Whole vectors are written before they are read.
  alignas(64) Scalar states[kSmallSteps][kMost];
  const FlushSubnormals flush;
  for (std::int64_t begin = 0; begin < T; begin += kSmallSteps) {
    const int steps = static_cast<int>(std::min<std::int64_t>(kSmallSteps, T - begin));
    // A single step has its place in the state: a copy of it would be waited for by the next one.
    Scalar* const first = steps == 1 ? state->h[1 - state->now] : states[0];
    const Scalar* before = state->h[state->now];
    for (int t = 0; t < steps; ++t, x += n.I) {
      Scalar* const after = first + t * kMost;
      small_step<Scalar, Cell, small_blocks_at_once(Cell::descriptor.h_count)>(
          n, state->now != 0, x, before, after, state->c);
      state->now = 1 - state->now;
      before = after;
    }
    if (n.O == 0)
      for (int t = 0; t < steps; ++t)
        std::memcpy(y + t * n.H, first + t * kMost, static_cast<std::size_t>(n.H) * sizeof(Scalar));
    else if (steps == kSmallSteps)
      small_head<Scalar, kSmallSteps>(n, first, kMost, y);
    else
      for (int t = 0; t < steps; ++t)
        small_head<Scalar, 1>(n, first + t * kMost, kMost, y + t * n.O);
    y += steps * (n.O == 0 ? n.H : n.O);
    if (steps > 1)
      for (std::int64_t block = 0; block < n.blocks; ++block)
        store(state->h[state->now] + block * V, load(before + block * V));
  }
}

}  // namespace rnnfast
