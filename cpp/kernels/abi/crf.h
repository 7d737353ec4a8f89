// What a caller hands to the kernels of a linear-chain conditional random field.
//
// Sizes: T steps, B sequences, K tags. The score of tags y in a sequence of n steps is
//
//   start[y_1] + sum over t of e_t[y_t] + sum over t > 1 of transitions[y_t-1, y_t] + end[y_n].
//
// Scores of minus infinity forbid what they stand for. What lies past a length is not read.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

template <class Scalar>
struct CrfChains {
  std::int64_t T, B, K;
  const Scalar* emissions;  // (T, B, K), step t and sequence b at t * step_stride + b * row_stride
  std::int64_t step_stride, row_stride;
  const std::int64_t* lengths;  // (B) each in [0, T], or null: T
  const Scalar *start, *end;    // (K)
  const Scalar* transitions;    // (K, K) from row to column
};

// Results of the sums over all paths. Gradients are those of
//
//   sum over b of weights[b] (log_z[b] - scores[b]), the scores 0 without targets,
//
// so that without targets `demissions` holds the probability of each tag at each step. Sequences
// without a path that is allowed have log_z = -inf and no gradients; empty ones log_z = 0.
template <class Scalar>
struct CrfSums {
  const std::int64_t* targets;  // (T, B) each in [0, K) within the lengths; or null
  const double* weights;        // (B) or null: 1
  double* log_z;                // (B)
  double* scores;               // (B) of the targets; not touched without them
  Scalar* demissions;           // (T, B, K) overwritten, 0 past the lengths; or null: no gradients
  Scalar *dstart, *dend;        // (K) overwritten; or null
  Scalar* dtransitions;         // (K, K) overwritten; null as those
};

template <class Scalar>
struct CrfTable {
  // `decode` writes the best tags (T, B) within the lengths and their scores (B), -inf for a
  // sequence without a path that is allowed.
  Status (*sums)(const CrfChains<Scalar>& chains, const CrfSums<Scalar>& sums, int threads);
  Status (*decode)(const CrfChains<Scalar>& chains, std::int64_t* tags, double* scores,
                   int threads);
};

}  // namespace rnnfast
