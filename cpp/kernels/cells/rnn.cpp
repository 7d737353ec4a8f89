#include "kernels/cells/rnn.h"

#include "kernels/layer_kernel_impl.h"

namespace rnnfast {

template <class Scalar>
const LayerKernel<Scalar>& rnn_kernel(Cell cell) {
  return cell == Cell::rnn_relu ? kernel_of<Scalar, RnnCell<Scalar, true>>()
                                : kernel_of<Scalar, RnnCell<Scalar, false>>();
}
template const LayerKernel<float>& rnn_kernel<float>(Cell);
template const LayerKernel<double>& rnn_kernel<double>(Cell);

}  // namespace rnnfast
