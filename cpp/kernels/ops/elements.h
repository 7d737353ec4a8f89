// Functions of each number by itself, and what is found of all numbers.
#pragma once

#include <atomic>
#include <cmath>

#include "kernels/abi/elements.h"
#include "kernels/core/activations.h"
#include "kernels/core/random.h"
#include "kernels/core/scan.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// The largest |x| of R rows, or with Greatest false 0; NaN if one is NaN or infinite.
template <class Scalar, bool Greatest>
double largest(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads) {
  if (x.stride == columns) {  // one row, to be cut anywhere
    columns *= R;
    R = 1;
  }
  std::atomic<double> most{0};
  parallel(useful_threads(threads, R * columns, 1 << 17), [&](int rank, int size) {
    const Range rows = R == 1 ? Range{0, 1} : share(R, rank, size);
    const Range mine = R == 1 ? share(columns, lanes<Scalar>, rank, size) : Range{0, columns};
    Scan<Scalar, Greatest> scan;
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      scan.row(x.data + r * x.stride + mine.begin, mine.end - mine.begin);
    const double found = scan.result();
    // NaN stays: no number is larger.
    double before = most.load(std::memory_order_relaxed);
    while (!(before >= found) && !std::isnan(before) &&
           !most.compare_exchange_weak(before, found)) {
    }
  });
  return most;
}

template <class Scalar>
bool all_finite(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads) {
  return !std::isnan(largest<Scalar, false>(R, columns, x, threads));
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
void dropout(std::int64_t n, double probability, std::uint64_t seed, const Scalar* x, Scalar* y,
             int threads) {
  const DropoutFactors<Scalar> factor(Dropout{probability, seed, false}, 0);
  parallel(useful_threads(threads, n, 1 << 16), [&](int rank, int size) {
    const Range mine = share(n, 64, rank, size);
    factor.multiply(mine.begin, mine.end - mine.begin, x + mine.begin, y + mine.begin);
  });
}

}  // namespace rnnfast
