// One step of one sequence on weights that stand as callers have them: for those that may change
// from step to step, so that to pack them, or to see that they did not change, takes longer than
// the step.
//
// A square of weights at a time is read, transposed in registers, and summed over in the order of
// tile.h: results carry the bits of a step on packed weights.
#pragma once

#include "kernels/gemm/pack.h"
#include "kernels/gemm/tile.h"
#include "kernels/threads/team.h"

namespace rnnfast {

// One layer's direction.
template <class Scalar>
struct DirectLayer {
  LayerParameters<const Scalar*> weights;
  std::int64_t I, H;
  const Scalar* x;        // (I)
  const Scalar *h0, *c0;  // (H); c0 may be null: zeros
  Scalar *h, *c;          // (H); c with a memory
};

// Whether a cell's step is its two products and a pointwise part.
constexpr bool steps_directly(const CellDescriptor& cell) {
  return cell.recurrent_product() && !cell.second_product() && !cell.normalised() && !cell.noisy &&
         !cell.general() && cell.unit_count == 0;
}

// Columns of a row's line. All of them are read before the next rows: the lines of many rows that
// are a power of two apart drive each other out of the L1 cache.
template <class Scalar>
constexpr int kLineColumns = std::max(lanes<Scalar>, static_cast<int>(64 / sizeof(Scalar)));

// What is fetched while column k of a row is read. Sixteen vectors of half a line: the next line of
// the same rows; to fetch those `ahead` then takes twice as long where rows are a power of two
// apart. Thirty-two of a whole line: the same line of the rows `ahead`, into the L2 cache.
constexpr int kLocality = kRegisters >= 32 ? 2 : 3;
template <class Scalar>
RNNFAST_INLINE const Scalar* next_line(const Scalar* row, std::int64_t k, std::int64_t ahead,
                                       std::int64_t K) {
  if constexpr (kRegisters >= 32) return row + ahead * K + k;
  k += kLineColumns<Scalar>;
  return row + (k < K ? k : k - K + ahead * K);
}

// acc[c] += x times the transpose of C matrices of `units` rows, at most V, and K columns each.
// What stands `ahead` rows further is read next. Compiled once for all cells.
template <class Scalar, int C>
__attribute__((noinline)) void multiply_rows(Vec<Scalar> (&acc)[C], const Scalar* const (&rows)[C],
                                             std::int64_t units, std::int64_t ahead,
                                             const Scalar* x, std::int64_t K) {
  constexpr int V = lanes<Scalar>;
  static_assert(kLongestChain % V == 0);
  Vec<Scalar> total[C];
  for (std::int64_t begin = 0; begin < K; begin += kLongestChain) {
    if (begin > 0)
      for (int c = 0; c < C; ++c) {
        total[c] = begin > kLongestChain ? add(acc[c], total[c]) : acc[c];
        acc[c] = zeros<Scalar>();
      }
    const std::int64_t end = std::min(K, begin + kLongestChain);
    std::int64_t k = begin;
    constexpr int N = kColumns<Scalar>;
    if (units >= V)
      for (; k + kLineColumns<Scalar> <= end; k += kLineColumns<Scalar>)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) {
          const Scalar* next = next_line(rows[c], k, ahead, K);
#pragma GCC unroll 4
          for (int part = 0; part < kLineColumns<Scalar> / N; ++part) {
            if (part < V / N)
#pragma GCC unroll 4
              for (int r = 0; r < N; ++r)  // each row's line once in all parts
                __builtin_prefetch(next + (part * N + r) * K, 0, kLocality);
            Vec<Scalar> column[N];
            load_columns(rows[c] + k + part * N, K, column);
#pragma GCC unroll 4
            for (int j = 0; j < N; ++j)
              acc[c] = madd(broadcast<Scalar>(x[k + part * N + j]), column[j], acc[c]);
          }
        }
    for (; k < end; k += V) {  // what is no whole square
      const std::int64_t columns = std::min<std::int64_t>(V, end - k);
      for (int c = 0; c < C; ++c) {
        Square<Scalar> square;
        for (int v = 0; v < V; ++v)
          square.packet[v] = v < units ? load_first(rows[c] + v * K + k, columns) : zeros<Scalar>();
        transpose(square);
        for (int j = 0; j < columns; ++j)
          acc[c] = madd(broadcast<Scalar>(x[k + j]), square.packet[j], acc[c]);
      }
    }
  }
  if (K > kLongestChain)
    for (int c = 0; c < C; ++c) acc[c] = add(acc[c], total[c]);
}

// U blocks of units from `block` on; returns zero where all sums are finite, as all weights then
// are, else NaN.
template <class Scalar, class Cell, int U>
Vec<Scalar> direct_blocks(const DirectLayer<Scalar>& p, std::int64_t block) {
  constexpr int V = lanes<Scalar>;
  constexpr const CellDescriptor& cell = Cell::descriptor;
  constexpr int X = cell.x_count, G = cell.h_count;
  const std::int64_t units = p.H - block * V;
  Vec<Scalar> bias[U][cell.slots], from_x[U * X], from_h[U * G];
  const Scalar *x_rows[U * X], *h_rows[U * G];
  for (int u = 0; u < U; ++u) {
    const std::int64_t unit = (block + u) * V;
    const auto bias_of = [&](const Scalar* b, int gate) {
      return b == nullptr ? zeros<Scalar>() : load_first(b + gate * p.H + unit, units);
    };
    for (int slot = 0; slot < cell.slots; ++slot) bias[u][slot] = zeros<Scalar>();
    for (int i = 0; i < X; ++i) {
      bias[u][i] = add(bias[u][i], bias_of(p.weights.b_ih, cell.x_gate[i]));
      x_rows[u * X + i] = p.weights.w_ih + (cell.x_gate[i] * p.H + unit) * p.I;
    }
    for (int i = 0; i < G; ++i) {
      const int slot = cell.h_first + i;
      bias[u][slot] = add(bias[u][slot], bias_of(p.weights.b_hh, cell.h_gate[i]));
      h_rows[u * G + i] = p.weights.w_hh + (cell.h_gate[i] * p.H + unit) * p.H;
      from_h[u * G + i] = zeros<Scalar>();
    }
    for (int i = 0; i < X; ++i) from_x[u * X + i] = bias[u][i];
  }
  multiply_rows<Scalar, U * X>(from_x, x_rows, units, U * V, p.x, p.I);
  multiply_rows<Scalar, U * G>(from_h, h_rows, units, U * V, p.h0, p.H);
  Vec<Scalar> finite = zeros<Scalar>();
  for (int u = 0; u < U; ++u) {
    const std::int64_t unit = (block + u) * V;
    Vec<Scalar> v[cell.slots], previous = zeros<Scalar>(), carry, h;
    for (int slot = 0; slot < cell.slots; ++slot) {
      v[slot] = slot < X ? from_x[u * X + slot] : bias[u][slot];
      if (slot >= cell.h_first && slot < cell.h_first + G)
        v[slot] = add(v[slot], from_h[u * G + slot - cell.h_first]);
      finite = madd(v[slot], zeros<Scalar>(), finite);
    }
    const Scalar* before = cell.has_memory() ? p.c0 : p.h0;
    if (cell.carries() && before != nullptr) previous = load_first(before + unit, units);
    Cell::forward(v, previous, carry, h, static_cast<const Scalar*>(nullptr));
    store_first(p.h + unit, h, units);
    if constexpr (cell.has_memory()) store_first(p.c + unit, carry, units);
  }
  return finite;
}

// A worker's blocks of one layer's direction; whether all weights there are finite, and what they
// make of x and h0.
template <class Scalar, class Cell>
bool direct_step(const DirectLayer<Scalar>& p, Range blocks) {
  constexpr int V = lanes<Scalar>;
  constexpr int U = tile_shape(Cell::descriptor.h_count).blocks;  // enough sums side by side
  Vec<Scalar> finite = zeros<Scalar>();
  std::int64_t block = blocks.begin;
  for (; block + U <= std::min(blocks.end, p.H / V); block += U)
    finite = add(finite, direct_blocks<Scalar, Cell, U>(p, block));
  for (; block < blocks.end; ++block)
    finite = add(finite, direct_blocks<Scalar, Cell, 1>(p, block));
  return static_cast<double>(horizontal_sum(finite)) == 0;
}

}  // namespace rnnfast
