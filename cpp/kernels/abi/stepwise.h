// Recurrent layers with something between the product and the gate at every step: layer
// normalisation, zoneout, dropout of the candidate. One layer in one direction; the product with
// the input is the caller's.
//
// Sizes: T time, B batch, H hidden, G gates: 4 (i, f, g, o) of an LSTM, 3 (r, z, n) of a GRU.
#pragma once

#include <cstdint>

#include "kernels/abi/recurrent.h"

namespace rnnfast {

struct StepwiseShape {
  bool lstm, normalised;
  std::int64_t T, B, H;

  std::int64_t gates() const { return (lstm ? 4 : 3) * H; }
};

// Absent ones are null.
template <class Pointer>
struct StepwiseParameters {
  Pointer w_hh;              // (G*H, H)
  Pointer b_ih, b_hh;        // (G*H)
  Pointer gain_ih, gain_hh;  // (G*H)  normalised
  Pointer gain_c, bias_c;    // (H)    normalised LSTM
};

// What a pass reads, and what it leaves for backpropagation; all contiguous.
template <class Scalar>
struct StepwisePass {
  const std::int64_t* active;  // (T): rows [0, active[t]) take step t; never grows with t
  // (T, B, H): how much of h<t-1>, of c<t-1> stays (zoneout), and the factor of the candidate.
  // Null: the rates below, and 1.
  const Scalar *keep_h, *keep_c, *drop;
  Scalar rate_h, rate_c;

  Scalar* x;         // (T, B, G*H)  x W_ih^T; normalised by the pass
  Scalar* u;         // (T, B, G*H)  h<t-1> W_hh^T, normalised
  Scalar* x_scale;   // (T, B, 2)    1 / deviation of each part that is normalised by itself
  Scalar* u_scale;   // (T, B, 2)
  Scalar* gates;     // (T, B, G*H)
  Scalar* h;         // (T + 1, B, H)  h[0] is given; a row that takes no step keeps its state
  Scalar* c;         // (T + 1, B, H)  LSTM, alike
  Scalar* cell;      // (T, B, H)  LSTM: f c' + i g, normalised
  Scalar* squashed;  // (T, B, H)  LSTM: its tanh
  Scalar* c_scale;   // (T, B)     LSTM
};

template <class Scalar>
struct StepwiseGradients {
  const Scalar* dy;  // (T, B, H), read where a row takes the step
  Scalar* dh;        // (B, H)  of the final state; becomes that of the initial one
  Scalar* dc;        // (B, H)  LSTM, alike
  Scalar* dx;        // (T, B, G*H)  of x W_ih^T; written where a row takes the step
  Scalar* du;        // (T, B, G*H)  of h<t-1> W_hh^T, alike
  StepwiseParameters<Scalar*> parameters;  // added to, all but w_hh
};

template <class Scalar>
struct StepwiseTable {
  Status (*forward)(const StepwiseShape& shape, const StepwiseParameters<const Scalar*>& parameters,
                    const StepwisePass<Scalar>& pass, int threads);
  Status (*backward)(const StepwiseShape& shape,
                     const StepwiseParameters<const Scalar*>& parameters,
                     const StepwisePass<Scalar>& pass, const StepwiseGradients<Scalar>& gradients,
                     int threads);
};

}  // namespace rnnfast
