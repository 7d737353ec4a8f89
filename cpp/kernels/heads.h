// The functions of HeadsTable.
#pragma once

#include "kernels/decode.h"
#include "kernels/embedding.h"
#include "kernels/linear_softmax.h"
#include "kernels/optimizer.h"

namespace rnnfast {

template <class Scalar>
void activation(Activation which, std::int64_t n, const Scalar* x, Scalar* y) {
  for (std::int64_t i = 0; i < n; i += lanes<Scalar>) {
    const auto value = load_first(x + i, n - i);
    store_first(y + i,
                which == Activation::sigmoid ? sigmoid<Scalar>(value)
                : which == Activation::tanh  ? tanh<Scalar>(value)
                                             : exp_nonpositive<Scalar>(value),
                n - i);
  }
}

template <class Scalar>
HeadsTable<Scalar> make_heads_table() {
  HeadsTable<Scalar> t = {};
  t.linear_packed_size = linear_packed_size<Scalar>;
  t.linear_pack = linear_pack<Scalar>;
  t.linear_forward = linear_forward<Scalar>;
  t.linear_backward = linear_backward<Scalar>;
  t.linear_cross_entropy = linear_cross_entropy<Scalar>;
  t.cross_entropy = cross_entropy<Scalar>;
  t.binary_cross_entropy = binary_cross_entropy<Scalar>;
  t.squared_error = squared_error<Scalar>;
  t.softmax = softmax<Scalar>;
  t.embedding_gather = embedding_gather<Scalar>;
  t.embedding_scatter = embedding_scatter<Scalar>;
  t.dropout = dropout<Scalar>;
  t.sgd = sgd<Scalar>;
  t.adam = adam<Scalar>;
  t.rmsprop = rmsprop<Scalar>;
  t.adagrad = adagrad<Scalar>;
  t.squared_norm = squared_norm<Scalar>;
  t.scale = scale<Scalar>;
  t.clip = clip<Scalar>;
  t.activation = activation<Scalar>;
  t.draw = draw<Scalar>;
  t.decode = decode<Scalar>;
  return t;
}

}  // namespace rnnfast
