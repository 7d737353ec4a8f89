// Losses of numbers one by one: binary cross-entropy with logits, squared error.
#pragma once

#include <cmath>

#include "kernels/abi/losses.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// The sum of f(begin, end) over [0, n), cut in blocks of fixed size and added in order.
template <class F>
Status sum_blocks(std::int64_t n, double* sum, int threads, const F& f) {
  constexpr std::int64_t block = 4096;
  const std::int64_t count = ceil_div(n, block);
  Buffer<double> sums;
  if (!sums.reserve(count)) return Status::out_of_memory;
  parallel(useful_threads(threads, count, 4), [&](int rank, int size) {
    const Range mine = share(count, rank, size);
    for (std::int64_t b = mine.begin; b < mine.end; ++b)
      sums[b] = f(b * block, std::min(n, (b + 1) * block));
  });
  *sum = 0;
  for (std::int64_t b = 0; b < count; ++b) *sum += sums[b];
  return Status::ok;
}

// The same of f(i) for every i.
template <class F>
Status sum_over(std::int64_t n, double* sum, int threads, const F& f) {
  return sum_blocks(n, sum, threads, [&f](std::int64_t begin, std::int64_t end) {
    double part = 0;
    for (std::int64_t i = begin; i < end; ++i) part += f(i);
    return part;
  });
}

template <class Scalar>
Status binary_cross_entropy(std::int64_t n, const Scalar* logits, const Scalar* targets,
                            const Scalar* weights, const Scalar* positive_weights,
                            std::int64_t columns, double scale, double* loss, Scalar* dlogits,
                            int threads) {
  return sum_over(n, loss, threads, [=](std::int64_t i) {
    const double x = logits[i], t = targets[i];
    const double w = weights != nullptr ? static_cast<double>(weights[i]) : 1.0;
    const double p =
        positive_weights != nullptr ? static_cast<double>(positive_weights[i % columns]) : 1.0;
    // -log(sigmoid(x)) = log(1 + exp(-x)) = log1p(exp(-|x|)) + max(-x, 0)
    const double e = std::exp(-std::abs(x));
    const double negative_log = std::log1p(e) + (x < 0 ? -x : 0.0);
    const double positive = p * t;  // weight of -log(sigmoid(x)), beside (1 - t) of -log(1 - it)
    if (dlogits != nullptr) {
      const double sigmoid = (x < 0 ? e : 1.0) / (1 + e), other = (x < 0 ? 1.0 : e) / (1 + e);
      dlogits[i] = static_cast<Scalar>(scale * w * ((1 - t) * sigmoid - positive * other));
    }
    // -log(1 - sigmoid(x)) = -log(sigmoid(x)) + x
    return w * ((positive + 1 - t) * negative_log + (t == 1 ? 0.0 : (1 - t) * x));
  });
}

template <class Scalar>
Status squared_error(std::int64_t n, const Scalar* x, const Scalar* targets, const Scalar* weights,
                     double scale, double* loss, Scalar* dx, int threads) {
  return sum_over(n, loss, threads, [=](std::int64_t i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(targets[i]);
    const double w = weights != nullptr ? static_cast<double>(weights[i]) : 1.0;
    if (dx != nullptr) dx[i] = static_cast<Scalar>(2 * scale * w * difference);
    return w * difference * difference;
  });
}

}  // namespace rnnfast
