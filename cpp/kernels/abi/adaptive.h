// The adaptive softmax: frequent classes in a head, rare ones in clusters that few rows look into.
//
// Sizes: R rows, I input features, S classes of the head, C clusters.
#pragma once

#include <cstdint>

#include "kernels/abi/losses.h"

namespace rnnfast {

// scores = (h D^T) U^T of the classes from `begin` on.
template <class Scalar>
struct AdaptiveCluster {
  std::int64_t begin;    // its first class
  std::int64_t size, P;  // classes, and features of the projection
  const Scalar* down;    // D (P, I)
  const Scalar* up;      // U (size, P)
  Scalar *ddown, *dup;   // added to
};

// Cross-entropy of P(class v of the head) = softmax(head)[v], and of class v of cluster c
// P(v) = softmax(head)[S + c] softmax(cluster c)[v - begin].
template <class Scalar>
struct AdaptiveCrossEntropy {
  LinearCrossEntropy<Scalar> head;  // O = S + C; targets of all classes, without class weights or
                                    // smoothing; the bias is of the head alone
  const AdaptiveCluster<Scalar>* clusters;  // (C) in the order of their classes
  std::int64_t C;
};

template <class Scalar>
struct AdaptiveTable {
  // The sum over rows goes to *loss.
  Status (*cross_entropy)(const AdaptiveCrossEntropy<Scalar>& problem, double* loss, int threads);
};

}  // namespace rnnfast
