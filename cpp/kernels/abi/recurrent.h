// Recurrent layers: what a caller hands to the kernels and what the kernels offer.
//
// Sizes: T time, B batch, I input, H hidden, P output units (H, or the projection's size),
// L layers, D directions, G gates. Index of a layer's direction: l * D + d.
#pragma once

#include <cstdint>

#include "kernels/abi/cell.h"
#include "kernels/abi/common.h"
#include "kernels/abi/gate_functions.h"

namespace rnnfast {

struct StackShape {
  const CellDescriptor* cell;  // of the same kernels
  std::int64_t I, H;           // input and hidden units
  std::int64_t P;              // output units: H, or the projection's size
  int L, D;                    // layers; directions (1 or 2)
  bool bias, projection;
  double zoneout_h, zoneout_c;  // of noisy cells: how much of h, of c stays where nothing is drawn
  GateFunctions functions[2];   // of each direction, of general cells

  // Of cells with a highway: the column of the first layer's input at which the first direction's
  // begins, the second's being H further; -1: it has a product. Further layers have none.
  std::int64_t highway = -1;
  double highway_scale = 1;  // what the input is multiplied by on it

  // Steps that each layer's product sees: the one, and as many before it as make `window`. Cells
  // with a memory, without a recurrent product and a highway, may have more than 1.
  int window = 1;
  // Numbers of a step among those that a state keeps: at least as many as the widest layer reads.
  std::int64_t window_width = 0;

  // What a layer reads of a step, and what its product does.
  std::int64_t features_of(int layer) const { return layer == 0 ? I : D * P; }
  std::int64_t input_of(int layer) const { return window * features_of(layer); }
  bool fits_window() const {
    if (window == 1) return window_width == 0;
    return window > 1 && cell->has_memory() && !cell->recurrent_product() && !cell->highway &&
           window_width >= I && (L == 1 || window_width >= D * P);
  }
  // Numbers of c of a sequence: H units, and the window - 1 steps before the next one, the newest
  // first, of window_width each, zero behind a layer's features.
  std::int64_t memory() const { return H + (window - 1) * window_width; }
  std::int64_t highway_of(int layer, int direction) const {
    if (!cell->highway || (layer == 0 && highway < 0)) return -1;
    return (layer == 0 ? highway : 0) + direction * H;
  }
  CellDescriptor cell_of(int layer) const {
    return highway_of(layer, 0) >= 0 ? cell->on_highway() : *cell;
  }
};

// One layer's direction, in PyTorch's layout, each array contiguous. Absent ones are null.
template <class Pointer>
struct LayerParameters {
  Pointer w_ih;              // (G*H, input)
  Pointer w_hh;              // (G*H, P)  where there is a recurrent product
  Pointer b_ih;              // (G*H), or of as many gates as have a bias
  Pointer b_hh;              // (G*H)     as w_hh
  Pointer w_hr;              // (P, H)    projection
  Pointer unit;              // (unit_count * H)
  Pointer gain_ih, gain_hh;  // (G*H)  normalised
  Pointer gain_c, bias_c;    // (H)    normalised memory
};

// A batch of sequences and the states around it. Strides count elements.
template <class Scalar>
struct SequenceInput {
  std::int64_t T, B;
  const Scalar* x;               // (T, B, I), innermost contiguous; null if indices are given
  const std::int64_t* indices;   // (T, B); each in [0, I), checked by the caller at valid steps
  std::int64_t x_time, x_batch;  // strides of x or of indices
  const std::int64_t* lengths;   // (B), each in [0, T]; null: all T
  // Whether x or the indices, y, dy and dx have no padding: rows (sum of lengths, ...), step by
  // step those of the sequences that are alive, by strides of batch alone. Lengths then fall, from
  // T on.
  bool packed;
  const std::uint8_t* reset;  // (T, B); null: none
  std::int64_t reset_time, reset_batch;
  const Scalar* h0;  // (L*D, B, P) contiguous; null: zeros
  const Scalar* c0;  // (L*D, B, memory()) contiguous; null: zeros; only with a memory
  // Of noisy cells in training, (L*D, T, B, H) contiguous, step by step as the direction takes them
  // and in the order of falling length: how much of h<t-1>, of c<t-1> stays, and the factor of the
  // candidate. Null: nothing stays, and 1.
  bool drawn;
  const Scalar *keep_h, *keep_c, *drop;
};

template <class Scalar>
struct SequenceOutput {
  Scalar* y;  // (T, B, D*P), innermost contiguous
  std::int64_t y_time, y_batch;
  Scalar* h_n;  // (L*D, B, P) contiguous
  Scalar* c_n;  // (L*D, B, memory()) contiguous; only with a memory
};

// Inverted dropout on the outputs of every layer but the last, one draw per element and step, or
// one per element for all steps of a sequence.
struct Dropout {
  double probability;
  std::uint64_t seed;
  bool every_step_alike;
};

// Gradients that come in (null: zero) and go out (null: not wanted; else overwritten).
template <class Scalar>
struct SequenceGradients {
  const Scalar* dy;  // (T, B, D*P), innermost contiguous; values past a length are not read
  std::int64_t dy_time, dy_batch;
  const Scalar* dh_n;  // (L*D, B, P) contiguous
  const Scalar* dc_n;  // (L*D, B, memory()) contiguous
  Scalar* dx;          // (T, B, I), innermost contiguous
  std::int64_t dx_time, dx_batch;
  Scalar* dh0;  // (L*D, B, P) contiguous
  Scalar* dc0;  // (L*D, B, memory()) contiguous
  // L*D entries, each added to; null: not wanted.
  const LayerParameters<Scalar*>* parameters;
  bool any_dy;  // dy comes from a pass: what overflowed there goes on, and is not refused
};

// Opaque: owned by the kernels module that made them.
struct Packed;  // a stack's weights in the kernels' order
struct Cache;   // what a forward pass keeps for backpropagation
struct Stream;  // a stack that is run step by step

template <class Scalar>
struct RecurrentTable {
  // Weights. `pack` copies L*D sets of parameters.
  Packed* (*packed_create)(const StackShape& shape);  // null: out of memory
  Status (*pack)(Packed* packed, const LayerParameters<const Scalar*>* parameters, int threads);
  void (*packed_free)(Packed* packed);

  // One pass over a batch; not_finite where x is not, within the lengths. With `cache`, keeps there
  // what `backward` needs: x and y must then stay in place and unchanged until it has run.
  Status (*forward)(const Packed* packed, const SequenceInput<Scalar>& input,
                    const SequenceOutput<Scalar>& output, Dropout dropout, Cache** cache,
                    int threads);
  // Uses the cache up: what it kept becomes gradients. Where dy is not_finite nothing has changed.
  Status (*backward)(const Packed* packed, Cache* cache, const SequenceGradients<Scalar>& gradients,
                     int threads);
  std::int64_t (*cache_bytes)(const Cache* cache);
  // A gate of a layer's direction at every step of the pass, or the carry (gate -1): values
  // (T, B, H) contiguous, zero past a length. Not after `backward`.
  Status (*kept_gate)(const Packed* packed, const Cache* cache, int layer, int direction, int gate,
                      Scalar* values);
  void (*cache_free)(Cache* cache);

  // One step of one sequence without packed weights: `steps_directly` says of which stacks. x (I),
  // h0, c0 and h_n, c_n as in `forward`, whose bits they are. not_finite where weights, x, h0 or
  // their sums are not.
  bool (*steps_directly)(const StackShape& shape);
  Status (*direct_step)(const StackShape& shape, const LayerParameters<const Scalar*>* parameters,
                        const Scalar* x, const Scalar* h0, const Scalar* c0, Scalar* h_n,
                        Scalar* c_n, int threads);

  // What dropout multiplies the output of `layer` by: mask (T, B, width) contiguous, 0 or 1/(1-p).
  void (*dropout_mask)(Dropout dropout, int layer, std::int64_t T, std::int64_t B,
                       std::int64_t width, Scalar* mask);

  // Step by step: one direction. State is (L, B, P) and (L, B, memory()), as h_n and c_n above.
  Stream* (*stream_create)(const Packed* packed, std::int64_t B);
  void (*stream_step)(Stream* stream, const Packed* packed, const Scalar* x,
                      const std::int64_t* indices, Scalar* y, int threads);
  void (*stream_get)(const Stream* stream, Scalar* h, Scalar* c);
  void (*stream_set)(Stream* stream, const Scalar* h, const Scalar* c);  // null: zeros
  void (*stream_free)(Stream* stream);
};

}  // namespace rnnfast
