// Gradients of the weights, the biases and the input, from the slots' gradients: large products
// over chunks of rows. Each output has one owner and sums over rows in one order, whatever the
// number of threads.
#pragma once

#include "kernels/rnn/layer_pass.h"

namespace rnnfast {

// What one layer's direction gives and takes in backpropagation, beside its LayerPass.
template <class Scalar>
struct LayerGradients {
  const Scalar* const* dy;  // per row (P); null: zero
  const Scalar* dh_n;       // (B, P) in the caller's order; null: zero
  const Scalar* dc_n;       // (B, c_stride), of which H units; null: zero
  Scalar* dh0;              // (B, P); null: not wanted
  Scalar* dc0;              // the same
  std::int64_t c_stride;
  Scalar* const* dx;                    // per row (I); null: not wanted, or formed later
  bool dx_add;                          // add to dx rather than overwrite
  LayerParameters<Scalar*> parameters;  // added to; all null: not wanted

  bool of_weights() const { return parameters.w_ih != nullptr; }

  // Scratch.
  Scalar* dcarry;    // [unit block][B][V]
  Scalar* d_output;  // [output block][row][V], layers with a projection; with norms of a step alone
  Scalar* sums;      // gradients that are not added at once, gradient_sizes().sums long
  Scalar* left;      // rows of x, h<t-1> or `inner`, interleaved for the tiles, .left long
  Scalar* panels;    // of each thread, for the weights' gradients, .panels long
  Scalar* dkept;     // as dcarry: what zoneout hands on of dh<t> beside the carry
  Scalar* d_norm;    // [unit block][B][norm_gradients][V]: sums over a sequence's steps
  Scalar* row_space;  // of each thread, for RowPhase
};

// Rows that a product of gradients sums over before they are added to those of other rows, about:
// many, as that costs as much as some thirty rows, but in a long layer fewer than a cache holds.
constexpr std::int64_t kGradientRows = 512;

// How many products sum over so many rows, of nearly as many each.
inline std::int64_t gradient_products(std::int64_t rows) {
  return std::max<std::int64_t>(1, (rows + kGradientRows / 2) / kGradientRows);
}
// The most rows that one of them has.
inline std::int64_t most_gradient_rows(std::int64_t rows) {
  return std::min(rows, kGradientRows + kGradientRows / 2);
}

// Steps [result, end) make a chunk of backpropagation: as few as have so many rows.
inline std::int64_t chunk_begin(const Schedule& schedule, std::int64_t end, std::int64_t rows) {
  std::int64_t begin = end - 1;
  while (begin > 0 && schedule.first[end] - schedule.first[begin] < rows) --begin;
  return begin;
}

struct GradientSizes {
  std::int64_t sums, left, panels;
};
// Of a batch of sequences; `indexed`: whether the layer's input is indices.
template <class Scalar>
GradientSizes gradient_sizes(const PackedLayer<Scalar>& weights, const Schedule& schedule,
                             bool indexed);

// Sets the worker's share of the sums to zero.
template <class Scalar>
void begin_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                     const Worker& worker);

// Adds steps [begin, end), whose slots hold gradients now, to the gradients of the weights or to
// the sums, and forms their dx if it is wanted.
template <class Scalar>
void add_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker, std::int64_t begin, std::int64_t end);

// Adds the sums that are left to the parameters' gradients, in PyTorch's layout.
template <class Scalar>
void finish_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                      const Worker& worker);

}  // namespace rnnfast
