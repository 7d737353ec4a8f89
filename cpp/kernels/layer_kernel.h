// One cell's time loops behind function pointers, so that the driver of a stack (stack.h) is
// compiled once and each cell in a translation unit of its own.
#pragma once

#include "kernels/gradients.h"
#include "kernels/layer_pass.h"

namespace rnnfast {

template <class Scalar>
struct LayerKernel {
  void (*forward)(const LayerPass<Scalar>& pass, const Worker& worker);
  void (*backward)(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker);
};

template <class Scalar>
const LayerKernel<Scalar>& rnn_kernel(Cell cell);
template <class Scalar>
const LayerKernel<Scalar>& gru_kernel(Cell cell);
template <class Scalar>
const LayerKernel<Scalar>& lstm_kernel(Cell cell);

template <class Scalar>
const LayerKernel<Scalar>& layer_kernel(Cell cell) {
  switch (cell) {
    case Cell::rnn_tanh:
    case Cell::rnn_relu:
      return rnn_kernel<Scalar>(cell);
    case Cell::gru:
    case Cell::gru_reset_before:
    case Cell::gru_simple:
      return gru_kernel<Scalar>(cell);
    default:
      return lstm_kernel<Scalar>(cell);
  }
}

}  // namespace rnnfast
