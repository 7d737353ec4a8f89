// The pointwise part of the cells that take smaller numbers, on what the products left.
#pragma once

#include "kernels/abi/cell.h"
#include "kernels/reduced/vectors.h"

namespace rnnfast::reduced {

// A step of some rows and the unit blocks of a panel.
struct Step {
  std::int64_t rows, first_block, end_block, H;
  float* x;  // [row][block][x slot][V]: the input's product and the bias
  std::int64_t x_stride;
  const float* sums;  // [row][block - first_block][slot of the product][V]
  std::int64_t sums_stride;
  const float* bias;  // [block][slot][V], of slots in which no input enters
  const float* unit;  // [block][unit weight][V]
  float* carry;       // [row][block][V]: before the step, then after it
  std::int64_t carry_stride;
  float* const* h;  // where a row's H outputs go, or what enters the second product
};

struct ReducedCell {
  const char* name;
  void (*gates)(const Step& step);  // the first half of a cell with a second product, else null
  void (*finish)(const Step& step);
};

// Null: none of this name.
const ReducedCell* reduced_cell(const CellDescriptor& cell);

}  // namespace rnnfast::reduced
