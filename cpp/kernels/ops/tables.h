// The tables of this folder's functions.
#pragma once

#include "kernels/abi/table.h"
#include "kernels/ops/adaptive_softmax.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/crf.h"
#include "kernels/ops/ctc.h"
#include "kernels/ops/decode.h"
#include "kernels/ops/elements.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/linear.h"
#include "kernels/ops/linear_softmax.h"
#include "kernels/ops/optimizer.h"

namespace rnnfast {

template <class Scalar>
void fill_ops(Tables<Scalar>& tables) {
  static constexpr LinearTable<Scalar> linear = {linear_packed_size<Scalar>, linear_pack<Scalar>,
                                                 linear_forward<Scalar>, linear_backward<Scalar>,
                                                 product<Scalar>};
  static constexpr AttentionTable<Scalar> attention = {attention_forward<Scalar>,
                                                       attention_backward<Scalar>};
  static constexpr LossTable<Scalar> losses = {linear_cross_entropy<Scalar>, cross_entropy<Scalar>,
                                               binary_cross_entropy<Scalar>, squared_error<Scalar>,
                                               softmax<Scalar>};
  static constexpr AdaptiveTable<Scalar> adaptive = {adaptive_cross_entropy<Scalar>};
  static constexpr CtcTable<Scalar> ctc_table = {ctc<Scalar>};
  static constexpr CrfTable<Scalar> crf = {crf_sums<Scalar>, crf_decode<Scalar>};
  static constexpr EmbeddingTable<Scalar> embedding = {embedding_gather<Scalar>,
                                                       embedding_scatter<Scalar>};
  static constexpr ElementTable<Scalar> elements = {dropout<Scalar>, all_finite<Scalar>,
                                                    largest<Scalar, true>, activation<Scalar>};
  static constexpr OptimizerTable<Scalar> optimizers = {
      sgd<Scalar>,          adam<Scalar>,        rmsprop<Scalar>, adagrad<Scalar>,
      squared_norm<Scalar>, set_to_zero<Scalar>, scale<Scalar>,   clip<Scalar>};
  static constexpr SamplingTable<Scalar> sampling = {draw<Scalar>, feed<Scalar>, decode<Scalar>};
  tables.linear = &linear;
  tables.adaptive = &adaptive;
  tables.attention = &attention;
  tables.losses = &losses;
  tables.ctc = &ctc_table;
  tables.crf = &crf;
  tables.embedding = &embedding;
  tables.elements = &elements;
  tables.optimizers = &optimizers;
  tables.sampling = &sampling;
}

}  // namespace rnnfast
