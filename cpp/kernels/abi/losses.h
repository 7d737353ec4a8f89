// Losses of rows, and the softmax.
//
// Sizes: R rows (time and batch in one), I input features, V classes. Pointers that may be null say
// so. Results carry the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/abi/linear.h"

namespace rnnfast {

// What the classes of R rows should be, and how much each counts:
//
//   loss = sum over r of weight[r] ((1 - s) c[t] (lse - x[t]) + s / V sum over v of c[v] (lse -
//   x[v]))
//
// with t = targets[r], lse = log(sum exp(x)), s = smoothing, c = class_weights.
template <class Scalar>
struct Targets {
  const std::int64_t* classes;  // (R) each in [0, V), or ignore
  std::int64_t ignore;          // rows of this target count nothing
  const Scalar* row_weights;    // (R) or null: 1
  const Scalar* class_weights;  // (V) or null: 1
  double smoothing;             // in [0, 1)
  double scale;                 // factor of all gradients, not of the loss
};

// Softmax cross-entropy of logits = h W^T + b, which never stand in memory as a whole.
template <class Scalar>
struct LinearCrossEntropy {
  LinearShape shape;       // O classes
  Matrix<const Scalar> h;  // (R, I)
  const Scalar* weight;    // (O, I)
  const Scalar* bias;      // (O) or null
  Targets<Scalar> targets;
  bool backward;      // else the results below are not touched
  Matrix<Scalar> dh;  // (R, I) overwritten; or null
  Scalar* dweight;    // (O, I) added to; or null
  Scalar* dbias;      // (O) added to; or null
  // By which float32 is multiplied; null: as the numbers are.
  const RoundedProduct* product;
};

template <class Scalar>
struct LossTable {
  // The sum over rows or elements goes to *loss.
  Status (*linear_cross_entropy)(const LinearCrossEntropy<Scalar>& problem, double* loss,
                                 int threads);
  Status (*cross_entropy)(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits,
                          const Targets<Scalar>& targets, double* loss,
                          Scalar* dlogits,  // (R, V) contiguous, overwritten; or null
                          int threads);
  // -w (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))) for each of n elements; p counts
  // modulo `columns`. Gradients times `scale`.
  Status (*binary_cross_entropy)(std::int64_t n, const Scalar* logits, const Scalar* targets,
                                 const Scalar* weights,           // (n) or null: 1
                                 const Scalar* positive_weights,  // (columns) or null: 1
                                 std::int64_t columns, double scale, double* loss,
                                 Scalar* dlogits,  // (n) overwritten; or null
                                 int threads);
  // w (x - t)^2 for each of n elements.
  Status (*squared_error)(std::int64_t n, const Scalar* x, const Scalar* targets,
                          const Scalar* weights,  // (n) or null: 1
                          double scale, double* loss,
                          Scalar* dx,  // (n) overwritten; or null
                          int threads);
  // Rows (R, V) to their softmax, or its logarithm; y contiguous. not_finite where a score is NaN
  // or infinity, or all of a row are minus infinity.
  Status (*softmax)(std::int64_t R, std::int64_t V, Matrix<const Scalar> x, bool logarithm,
                    Scalar* y, int threads);
};

}  // namespace rnnfast
