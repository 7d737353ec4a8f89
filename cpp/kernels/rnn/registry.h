// The cells that there are: their descriptors, with their time loops behind function pointers, so
// that the driver of a stack (stack.h) is compiled once and each cell in a translation unit of its
// own.
#pragma once

#include <type_traits>

#include "kernels/rnn/direct.h"
#include "kernels/rnn/gradients.h"
#include "kernels/rnn/layer_pass.h"

namespace rnnfast {

template <class Scalar>
struct LayerKernel {
  void (*forward)(const LayerPass<Scalar>& pass, const Worker& worker);
  // Null where the descriptor says that there is none.
  void (*backward)(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker);
  // The gates of a kept row, [unit block][slot][V] by the slots of the input's product; null where
  // those hold them.
  void (*gates)(const LayerPass<Scalar>& pass, std::int64_t row, Scalar* to);
  // Null where a step is more than `steps_directly` says.
  bool (*direct)(const DirectLayer<Scalar>& layer, Range blocks);
};

struct RegisteredCell : CellDescriptor {
  LayerKernel<float> f32;
  LayerKernel<double> f64;
};

// All of them, for callers that know a name.
extern const CellDescriptor* const cells[];
extern const int cell_count;

// The time loops of a cell; every descriptor that callers have is one of those above.
template <class Scalar>
const LayerKernel<Scalar>& layer_kernel(const CellDescriptor& cell) {
  const auto& registered = static_cast<const RegisteredCell&>(cell);
  if constexpr (std::is_same_v<Scalar, float>)
    return registered.f32;
  else
    return registered.f64;
}

}  // namespace rnnfast
