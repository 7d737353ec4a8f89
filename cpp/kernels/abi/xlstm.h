// The cells of Beck et al. 2024, "xLSTM": sLSTM (section 2.2) and mLSTM (section 2.3), each a layer
// in one direction.
//
// Sizes: B sequences, N steps of them all, H units in `heads` heads of d = H / heads. Rows are
// steps, sequences one below the other. The input's products come from outside. A state is kept as
// it is divided by exp(m), with which nothing overflows. A null state is zero, as is a null
// gradient. Results carry the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

struct XlstmShape {
  std::int64_t B, H;
  int heads;
  bool exponential;            // the forget gate: exp, else sigmoid
  const std::int64_t* begins;  // (B + 1): sequence b has the rows [begins[b], begins[b + 1])

  std::int64_t rows() const { return begins[B]; }
  std::int64_t d() const { return H / heads; }
};

// h, c, n, m, each (B, H).
template <class Scalar>
struct SlstmState {
  Scalar *h, *c, *n, *m;
};

// Gates in blocks of H: i, f, z, o.
template <class Scalar>
struct SlstmInput {
  XlstmShape shape;
  const Scalar* gates;   // (N, 4H), the input's products with their bias
  const Scalar* packed;  // the recurrent weight, as `slstm_pack` gives it
  SlstmState<const Scalar> initial;
};

template <class Scalar>
struct SlstmGradients {
  const Scalar *y, *kept, *weight;  // as `slstm_forward` gave them; (4H, d)
  const Scalar* dy;                 // (N, H)
  SlstmState<const Scalar> dfinal;
  Scalar *dgates, *dweight;  // (N, 4H), (4H, d), overwritten
  SlstmState<Scalar> dinitial;
};

// C (B, heads, d, d), of each key and value, n (B, heads, d), m (B, heads).
template <class Scalar>
struct MlstmState {
  Scalar *C, *n, *m;
};

// Gates in blocks: q, k, v, o of H each, then i and f of `heads` each: G = 4H + 2 heads.
template <class Scalar>
struct MlstmInput {
  XlstmShape shape;
  const Scalar* gates;  // (N, G), the input's products with their bias; of k before 1 / sqrt(d)
  MlstmState<const Scalar> initial;
  std::int64_t chunk;  // steps that are taken together, as products of matrices
};

template <class Scalar>
struct MlstmGradients {
  const Scalar *y, *kept;  // as `mlstm_forward` gave them
  const Scalar* dy;        // (N, H)
  MlstmState<const Scalar> dfinal;
  Scalar* dgates;  // (N, G), overwritten
  MlstmState<Scalar> dinitial;
};

template <class Scalar>
struct XlstmTable {
  // Numbers of a packed weight, and of what a pass keeps for the way back.
  std::int64_t (*slstm_packed_size)(std::int64_t H, int heads);
  std::int64_t (*slstm_kept_size)(const XlstmShape& shape);
  std::int64_t (*mlstm_kept_size)(const XlstmShape& shape, std::int64_t chunk);

  void (*slstm_pack)(std::int64_t H, int heads, const Scalar* weight, Scalar* packed);
  // y (N, H) and the final state; kept may be null.
  Status (*slstm_forward)(const SlstmInput<Scalar>& in, Scalar* y, const SlstmState<Scalar>& final,
                          Scalar* kept, int threads);
  Status (*slstm_backward)(const SlstmInput<Scalar>& in, const SlstmGradients<Scalar>& gradients,
                           int threads);
  Status (*mlstm_forward)(const MlstmInput<Scalar>& in, Scalar* y, const MlstmState<Scalar>& final,
                          Scalar* kept, int threads);
  Status (*mlstm_backward)(const MlstmInput<Scalar>& in, const MlstmGradients<Scalar>& gradients,
                           int threads);
};

}  // namespace rnnfast
