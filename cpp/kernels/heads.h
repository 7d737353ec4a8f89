// The functions of HeadsTable.
#pragma once

#include <atomic>

#include "kernels/activations.h"
#include "kernels/crf.h"
#include "kernels/ctc.h"
#include "kernels/decode.h"
#include "kernels/embedding.h"
#include "kernels/linear_softmax.h"
#include "kernels/optimizer.h"

namespace rnnfast {

template <class Scalar>
bool all_finite(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads) {
  constexpr int V = lanes<Scalar>;
  std::atomic<bool> finite{true};
  parallel(useful_threads(threads, R * columns, 1 << 17), [&](int rank, int size) {
    const Range mine = share(R, rank, size);
    auto sum = zeros<Scalar>();  // of x * 0: NaN from the first x that is not finite
    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
      const Scalar* row = x.data + r * x.stride;
      for (std::int64_t c = 0; c < columns; c += V)
        sum = madd(load_first(row + c, columns - c), zeros<Scalar>(), sum);
    }
    if (!(Eigen::internal::predux(sum) == 0)) finite.store(false, std::memory_order_relaxed);
  });
  return finite;
}

template <class Scalar>
void activation(Activation which, std::int64_t n, const Scalar* x, Scalar* y) {
  const FlushSubnormals flush;
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
  t.ctc = ctc<Scalar>;
  t.softmax = softmax<Scalar>;
  t.crf_sums = crf_sums<Scalar>;
  t.crf_decode = crf_decode<Scalar>;
  t.embedding_gather = embedding_gather<Scalar>;
  t.embedding_scatter = embedding_scatter<Scalar>;
  t.dropout = dropout<Scalar>;
  t.sgd = sgd<Scalar>;
  t.adam = adam<Scalar>;
  t.rmsprop = rmsprop<Scalar>;
  t.adagrad = adagrad<Scalar>;
  t.squared_norm = squared_norm<Scalar>;
  t.set_to_zero = set_to_zero<Scalar>;
  t.scale = scale<Scalar>;
  t.clip = clip<Scalar>;
  t.all_finite = all_finite<Scalar>;
  t.activation = activation<Scalar>;
  t.draw = draw<Scalar>;
  t.feed = feed<Scalar>;
  t.decode = decode<Scalar>;
  return t;
}

}  // namespace rnnfast
