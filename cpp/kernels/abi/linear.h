// Linear layers, y = x W^T + b, and products of any two matrices.
//
// Sizes: R rows (time and batch in one), I input and O output features. Pointers that may be null
// say so. Results carry the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

struct LinearShape {
  std::int64_t R, I, O;
};

// y = x W^T + b, backwards. Results that are null are not wanted.
template <class Scalar>
struct LinearGradients {
  Matrix<const Scalar> dy;  // (R, O)
  Matrix<const Scalar> x;   // (R, I)
  const Scalar* weight;     // (O, I)
  Matrix<Scalar> dx;        // (R, I) overwritten
  Scalar* dweight;          // (O, I) added to
  Scalar* dbias;            // (O) added to
};

// A factor of a product: a matrix, or with `turned` one whose rows are the factor's columns.
template <class Scalar>
struct Factor {
  Matrix<const Scalar> matrix;
  bool turned;
};

// Where a product of rounded numbers goes, (M, N).
struct ProductTarget {
  float* data;
  std::int64_t stride;
  const float* row_bias;  // (M) what it begins with, or null: 0
  bool add;               // or with what is there
};

// c (M, N) = a (M, K) b (K, N) of float32 that is rounded to fewer bits, with sums in float32. Sums
// over K are in blocks, as those of `product` below.
struct RoundedProduct {
  std::int64_t (*scratch_bytes)(int threads);
  void (*run)(std::int64_t M, std::int64_t N, std::int64_t K, const Factor<float>& a,
              const Factor<float>& b, const ProductTarget& c, void* scratch, int threads);
};

template <class Scalar>
struct LinearTable {
  // `pack` makes the copy of a weight (O, I) that `forward` reads.
  std::int64_t (*packed_size)(std::int64_t I, std::int64_t O);
  void (*pack)(std::int64_t I, std::int64_t O, const Scalar* weight, Scalar* packed, int threads);
  Status (*forward)(const LinearShape& shape, Matrix<const Scalar> x, const Scalar* packed,
                    const Scalar* bias, Matrix<Scalar> y, int threads);
  Status (*backward)(const LinearShape& shape, const LinearGradients<Scalar>& gradients,
                     int threads);
  // c (M, N) = a (M, K) b (K, N)
  Status (*product)(std::int64_t M, std::int64_t N, std::int64_t K, const Factor<Scalar>& a,
                    const Factor<Scalar>& b, Scalar* c, int threads);
};

}  // namespace rnnfast
