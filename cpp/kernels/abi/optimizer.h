// Optimizers: one step over parameters, their gradients and what the optimizer remembers.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"
#include "kernels/abi/recurrent.h"

namespace rnnfast {

// A stack's packed weights, which an optimizer makes anew while the values are at hand.
template <class Scalar>
struct PackedCopy {
  Packed* packed;
  const LayerParameters<const Scalar*>* parameters;  // L*D, all among the values that change
};

// Which values an optimizer changes: all n; or some rows of a table, each once, whose gradients lie
// one after the other; or the parameters of stacks, and the others.
template <class Scalar>
struct Touched {
  std::int64_t n;                              // gradients
  const std::int64_t* rows = nullptr;          // (n / width), or null: all values
  std::int64_t width = 0;                      // numbers of a row
  const PackedCopy<Scalar>* copies = nullptr;  // (copy_count) of different parameters
  std::int64_t copy_count = 0;
  const std::int64_t* others = nullptr;  // (other_count, 2) from and to, of what is no parameter's
  std::int64_t other_count = 0;
};

// One optimizer's step; the equations are those of torch.optim.
struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov;
  bool first;  // the first step: the momentum starts as the gradient
};
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;     // AdamW
  std::int64_t step;  // from 1
};
struct RmspropStep {
  double lr, alpha, eps, weight_decay, momentum;
};
struct AdagradStep {
  double lr, eps, weight_decay;  // lr with its decay
};

template <class Scalar>
struct OptimizerTable {
  // Values p, the gradients g of those that are touched, and the optimizer's memory.
  void (*sgd)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g,
              Scalar* momentum /* or null */, const SgdStep& step, int threads);
  void (*adam)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* mean,
               Scalar* square, const AdamStep& step, int threads);
  void (*rmsprop)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* square,
                  Scalar* mean /* centred, or null */, Scalar* momentum /* or null */,
                  const RmspropStep& step, int threads);
  void (*adagrad)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* sum,
                  const AdagradStep& step, int threads);
  Status (*squared_norm)(std::int64_t n, const Scalar* x, double* sum, int threads);
  void (*set_to_zero)(std::int64_t n, Scalar* x, int threads);
  void (*scale)(std::int64_t n, Scalar* x, double factor, int threads);
  void (*clip)(std::int64_t n, Scalar* x, double bound, int threads);  // to [-bound, bound]
};

}  // namespace rnnfast
