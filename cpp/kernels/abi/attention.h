// Attention: queries that each read a mixture of a memory.
//
// Sizes: T queries of each of B sequences, S steps of its memory, K numbers of a query and of a
// key, M of a step of memory. Of one sequence, with n = lengths[b] (all S without lengths),
//
//   e<t,s> = queries<t> . keys<s>                                          without `score`
//   e<t,s> = sum over k of score[k] tanh(queries<t>[k] + keys<s>[k])       with it
//   weights<t,s> = exp(e<t,s>) / sum over s' < n of exp(e<t,s'>),  0 from n on
//   context<t> = sum over s < n of weights<t,s> memory<s>
//
// What lies past a length is not read. Results carry the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

// Steps of sequences: number i of step t of sequence b at data[t * step + b * row + i].
template <class Scalar>
struct Sequences {
  Scalar* data;
  std::int64_t step, row;
};

template <class Scalar>
struct AttentionInput {
  std::int64_t T, S, B, K, M;
  Sequences<const Scalar> queries, keys, memory;
  const std::int64_t* lengths;  // (B) each in [0, S], or null: S
  const Scalar* score;          // (K) or null
};

// Everything is overwritten.
template <class Scalar>
struct AttentionGradients {
  Sequences<const Scalar> dcontext;
  const Scalar* weights;               // as `forward` gave them
  Scalar *dqueries, *dkeys, *dmemory;  // (T, B, K), (S, B, K), (S, B, M), 0 past a length
  Scalar* dscore;                      // (K), with a score
};

template <class Scalar>
struct AttentionTable {
  // context (T, B, M), weights (B, T, S). not_finite where scores are not.
  Status (*forward)(const AttentionInput<Scalar>& in, Scalar* context, Scalar* weights,
                    int threads);
  Status (*backward)(const AttentionInput<Scalar>& in, const AttentionGradients<Scalar>& gradients,
                     int threads);
};

}  // namespace rnnfast
