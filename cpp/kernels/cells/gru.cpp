#include "kernels/cells/gru.h"

#include "kernels/layer_kernel_impl.h"

namespace rnnfast {

template <class Scalar>
const LayerKernel<Scalar>& gru_kernel(Cell cell) {
  switch (cell) {
    case Cell::gru_simple:
      return kernel_of<Scalar, GruSimpleCell<Scalar>>();
    case Cell::gru_reset_before:
      return kernel_of<Scalar, GruResetBeforeCell<Scalar>>();
    default:
      return kernel_of<Scalar, GruCell<Scalar>>();
  }
}
template const LayerKernel<float>& gru_kernel<float>(Cell);
template const LayerKernel<double>& gru_kernel<double>(Cell);

}  // namespace rnnfast
