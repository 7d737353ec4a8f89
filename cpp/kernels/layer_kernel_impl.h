// Fills a LayerKernel for one cell; included by the translation unit of the cell's family only.
#pragma once

#include "kernels/backward.h"
#include "kernels/forward.h"
#include "kernels/layer_kernel.h"

namespace rnnfast {

template <class Scalar, class Cell>
const LayerKernel<Scalar>& kernel_of() {
  static constexpr LayerKernel<Scalar> kernel = {
      [](const Schedule& schedule) { return ForwardLayer<Scalar, Cell>::chunk_rows(schedule); },
      [](const LayerPass<Scalar>& pass, const Worker& worker) {
        ForwardLayer<Scalar, Cell>(pass, worker).run();
      },
      [](const PackedLayer<Scalar>& weights) {
        const GradientLayout<Scalar, Cell> layout(weights);
        return typename LayerKernel<Scalar>::GradientSizes{layout.total, layout.left_total};
      },
      [](const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
         const Worker& worker) { BackwardLayer<Scalar, Cell>(pass, gradients, worker).run(); },
      [](const LayerPass<Scalar>& pass, Scalar* const* dx, bool add_to, int member, int members) {
        InputGradient<Scalar, Cell>::run(pass, dx, add_to, {0, pass.schedule->rows}, member,
                                         members);
      }};
  return kernel;
}

}  // namespace rnnfast
