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
  Scalar* products;  // the weights' gradients as panels, gradient_sizes().products long
  Scalar* left;      // rows of x and h<t-1>, interleaved for the tiles, .left long
  Scalar* dkept;     // as dcarry: what zoneout hands on of dh<t> beside the carry
  Scalar* d_norm;    // [unit block][B][norm_gradients][V]: sums over a sequence's steps
  Scalar* row_space;  // of each thread, for RowPhase
};

// Rows whose slots one product pass reads while they stay in cache.
constexpr std::int64_t kGradientRows = 256;

// Steps [result, end) make a chunk of backpropagation: as few as have so many rows.
inline std::int64_t chunk_begin(const Schedule& schedule, std::int64_t end, std::int64_t rows) {
  std::int64_t begin = end - 1;
  while (begin > 0 && schedule.first[end] - schedule.first[begin] < rows) --begin;
  return begin;
}

struct GradientSizes {
  std::int64_t products, left;
};
template <class Scalar>
GradientSizes gradient_sizes(const PackedLayer<Scalar>& weights);

// Sets the worker's share of the products to zero.
template <class Scalar>
void begin_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                     const Worker& worker);

// Adds steps [begin, end), whose slots hold gradients now, and forms their dx if it is wanted.
template <class Scalar>
void add_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker, std::int64_t begin, std::int64_t end);

// Adds the products to the parameters' gradients, in PyTorch's layout.
template <class Scalar>
void finish_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                      const Worker& worker);

}  // namespace rnnfast
