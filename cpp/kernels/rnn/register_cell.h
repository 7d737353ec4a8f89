// Makes a cell known to the registry; included by its own file only.
#pragma once

#include <string_view>

#include "kernels/rnn/backward.h"
#include "kernels/rnn/forward.h"
#include "kernels/rnn/registry.h"

namespace rnnfast {

template <class Scalar, class Cell>
constexpr LayerKernel<Scalar> kernel_of() {
  LayerKernel<Scalar> kernel = {[](const LayerPass<Scalar>& pass, const Worker& worker) {
                                  ForwardLayer<Scalar, Cell>(pass, worker).run();
                                },
                                nullptr, nullptr, nullptr};
  if constexpr (Cell::descriptor.trains())
    kernel.backward = [](const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                         const Worker& worker) {
      BackwardLayer<Scalar, Cell>(pass, gradients, worker).run();
    };
  if constexpr (Cell::descriptor.normalised())
    kernel.gates = [](const LayerPass<Scalar>& pass, std::int64_t row, Scalar* to) {
      RowPhase<Scalar, Cell>(pass).gates(row, to);
    };
  if constexpr (steps_directly(Cell::descriptor)) kernel.direct = direct_step<Scalar, Cell>;
  return kernel;
}

template <class Cell>
constexpr RegisteredCell registered() {
  static_assert(Cell::descriptor.is_sound());
  return {Cell::descriptor, kernel_of<float, Cell>(), kernel_of<double, Cell>()};
}

}  // namespace rnnfast

// `cell` is the name by which registry.cpp and callers know the struct.
#define RNNFAST_REGISTER(cell, ...)                                       \
  static_assert(std::string_view(__VA_ARGS__::descriptor.name) == #cell); \
  extern const RegisteredCell cell_##cell;                                \
  constexpr RegisteredCell cell_##cell = registered<__VA_ARGS__>();
