// The parameters of recurrent layers: their names and shapes follow from the cell. Python's layers
// and the C library have them from here.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/abi/recurrent.h"

namespace rnnfast {

// A parameter of one layer's direction: what its name begins with, its shape (`factor` times the
// first size, the others: I of the layer's input, H or P by letter), and where it stands among
// `Places`, which has the members of LayerParameters.
template <class Places>
struct ParameterKind {
  const char* name;
  int factor;
  const char* sizes;
  decltype(Places::w_ih) Places::* place;

  std::vector<std::int64_t> shape_in(const StackShape& shape, int layer) const {
    std::vector<std::int64_t> numbers;
    for (const char* letter = sizes; *letter != 0; ++letter)
      numbers.push_back(*letter == 'I'   ? shape.input_of(layer)
                        : *letter == 'H' ? shape.H
                                         : shape.P);
    numbers[0] *= factor;
    return numbers;
  }
};

template <class Places>
std::vector<ParameterKind<Places>> parameter_kinds(const CellDescriptor& cell, bool bias,
                                                   bool projection) {
  const int gates = cell.gate_count;
  std::vector<ParameterKind<Places>> kinds = {{"weight_ih", gates, "HI", &Places::w_ih}};
  if (cell.recurrent_product()) kinds.push_back({"weight_hh", gates, "HP", &Places::w_hh});
  if (bias) kinds.push_back({"bias_ih", cell.bias_count, "H", &Places::b_ih});
  if (bias && cell.recurrent_product()) kinds.push_back({"bias_hh", gates, "H", &Places::b_hh});
  if (projection) kinds.push_back({"weight_hr", 1, "PH", &Places::w_hr});
  if (cell.unit_count > 0)
    kinds.push_back({cell.unit_weights, cell.unit_count, "H", &Places::unit});
  if (cell.normalised()) {
    kinds.push_back({"gain_ih", gates, "H", &Places::gain_ih});
    kinds.push_back({"gain_hh", gates, "H", &Places::gain_hh});
  }
  if (cell.memory_slot >= 0) {
    kinds.push_back({"gain_c", 1, "H", &Places::gain_c});
    kinds.push_back({"bias_c", 1, "H", &Places::bias_c});
  }
  return kinds;
}

}  // namespace rnnfast
