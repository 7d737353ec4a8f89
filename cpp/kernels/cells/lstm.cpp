#include "kernels/cells/lstm.h"

#include "kernels/layer_kernel_impl.h"

namespace rnnfast {

template <class Scalar>
const LayerKernel<Scalar>& lstm_kernel(Cell cell) {
  switch (cell) {
    case Cell::lstm_peephole:
      return kernel_of<Scalar, LstmCell<Scalar, Peephole::current>>();
    case Cell::lstm_peephole_previous:
      return kernel_of<Scalar, LstmCell<Scalar, Peephole::previous>>();
    default:
      return kernel_of<Scalar, LstmCell<Scalar, Peephole::none>>();
  }
}
template const LayerKernel<float>& lstm_kernel<float>(Cell);
template const LayerKernel<double>& lstm_kernel<double>(Cell);

}  // namespace rnnfast
