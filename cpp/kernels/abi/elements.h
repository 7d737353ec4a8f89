// Functions of each number by itself, and what is found of all numbers.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

enum class Activation : std::int32_t { exp_nonpositive, sigmoid, tanh };

template <class Scalar>
struct ElementTable {
  // y = x times 0 or 1/(1 - probability), one draw per element; the same seed, the same mask.
  void (*dropout)(std::int64_t n, double probability, std::uint64_t seed, const Scalar* x,
                  Scalar* y, int threads);

  // Is every number of R rows finite?
  bool (*all_finite)(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads);
  // The largest |x| of them; NaN if one is NaN or infinite.
  double (*largest)(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads);

  void (*activation)(Activation which, std::int64_t n, const Scalar* x, Scalar* y);
};

}  // namespace rnnfast
