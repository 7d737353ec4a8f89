// Fills a LayerKernel for one cell; included by the translation unit of the cell's family only.
#pragma once

#include "kernels/backward.h"
#include "kernels/forward.h"
#include "kernels/layer_kernel.h"

namespace rnnfast {

template <class Scalar, class Cell>
const LayerKernel<Scalar>& kernel_of() {
  static constexpr LayerKernel<Scalar> kernel = {
      [](const LayerPass<Scalar>& pass, const Worker& worker) {
        ForwardLayer<Scalar, Cell>(pass, worker).run();
      },
      [](const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
         const Worker& worker) { BackwardLayer<Scalar, Cell>(pass, gradients, worker).run(); }};
  return kernel;
}

}  // namespace rnnfast
