// Connectionist temporal classification: symbols at steps that are not known.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

// Scores of B sequences, and the symbols that each is to give, in this order, at steps that are not
// known: loss = sum over b of weight[b] * -log P(target b | logits b), Graves et al. (2006).
template <class Scalar>
struct CtcProblem {
  std::int64_t T, B, V;
  std::int64_t blank;    // the class that stands for no symbol
  const Scalar* logits;  // (T, B, V)
  const std::int64_t*
      lengths;  // (B) steps of each sequence, from 0 to T; further ones are not read
  const std::int64_t* targets;  // the symbols of all sequences one after the other, none the blank
  const std::int64_t* offsets;  // (B + 1) where each sequence's symbols begin
  const Scalar* weights;        // (B) or null: 1; sequences of weight 0 are not looked at
  double scale;                 // factor of all gradients, not of the loss
};

template <class Scalar>
struct CtcTable {
  // not_finite where a score is, or where a target has no alignment: more symbols, and blanks
  // between equal neighbours, than steps.
  Status (*loss)(const CtcProblem<Scalar>& problem, double* sum,
                 Scalar* dlogits,  // (T, B, V) overwritten, 0 past a length; or null
                 int threads);
};

}  // namespace rnnfast
