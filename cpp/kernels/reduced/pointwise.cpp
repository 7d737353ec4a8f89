#include "kernels/reduced/pointwise.h"

#include <cstring>

#include "kernels/rnn/cells/gru.h"
#include "kernels/rnn/cells/lstm.h"
#include "kernels/rnn/cells/rnn.h"

namespace rnnfast::reduced {

namespace {

// Calls f(slots, block, row) for each block and row, with what the slots of products hold.
template <class Cell, bool second_half, class F>
RNNFAST_INLINE void for_each(const Step& step, const F& f) {
  constexpr const CellDescriptor& cell = Cell::descriptor;
  constexpr int first = second_half ? 0 : cell.h_first;
  constexpr int count = second_half ? 1 : cell.h_count;
  for (std::int64_t row = 0; row < step.rows; ++row)
    for (std::int64_t block = step.first_block; block < step.end_block; ++block) {
      const float* const x = step.x + row * step.x_stride + block * cell.x_count * V;
      const float* const bias = step.bias + block * cell.slots * V;
      const float* const sums =
          step.sums + row * step.sums_stride + (block - step.first_block) * count * V;
      Floats v[cell.slots];
#pragma GCC unroll 4
      for (int slot = 0; slot < cell.slots; ++slot) {
        v[slot] = load(slot < cell.x_count ? x + slot * V : bias + slot * V);
        if (slot >= first && slot < first + count)
          v[slot] = add(v[slot], load(sums + (slot - first) * V));
      }
      f(v, block, row);
    }
}

template <class Cell>
void gates(const Step& step) {
  constexpr const CellDescriptor& cell = Cell::descriptor;
  for_each<Cell, false>(step, [&](auto& v, std::int64_t block, std::int64_t row) {
    const float* const carry = step.carry + row * step.carry_stride + block * V;
    const Floats inner = Cell::template gates<float>(v, load(carry));
    float* const x = step.x + row * step.x_stride + block * cell.x_count * V;
    for (int slot = cell.h_first; slot < cell.h_first + cell.h_count; ++slot)
      store(x + slot * V, v[slot]);
    store_first(step.h[row] + block * V, inner, step.H - block * V);
  });
}

template <class Cell>
void finish(const Step& step) {
  constexpr const CellDescriptor& cell = Cell::descriptor;
  for_each<Cell, cell.second_product()>(step, [&](auto& v, std::int64_t block, std::int64_t row) {
    float* const place = step.carry + row * step.carry_stride + block * V;
    Floats previous = zeros<float>(), carry, h;
    if constexpr (cell.carries()) previous = load(static_cast<const float*>(place));
    Cell::forward(v, previous, carry, h, step.unit + block * cell.unit_count * V);
    if constexpr (cell.carries()) store(place, carry);
    store_first(step.h[row] + block * V, h, step.H - block * V);
  });
}

template <class Cell>
constexpr ReducedCell reduced_of() {
  ReducedCell cell = {Cell::descriptor.name, nullptr, finish<Cell>};
  if constexpr (Cell::descriptor.second_product()) cell.gates = gates<Cell>;
  return cell;
}

constexpr ReducedCell cells[] = {
    reduced_of<Rnn<Nonlinearity::tanh>>(),
    reduced_of<Rnn<Nonlinearity::relu>>(),
    reduced_of<Gru>(),
    reduced_of<GruSimple>(),
    reduced_of<GruResetBefore>(),
    reduced_of<Lstm<Peephole::none>>(),
    reduced_of<Lstm<Peephole::current>>(),
    reduced_of<Lstm<Peephole::previous>>(),
};

}  // namespace

const ReducedCell* reduced_cell(const CellDescriptor& cell) {
  for (const ReducedCell& known : cells)
    if (std::strcmp(known.name, cell.name) == 0) return &known;
  return nullptr;
}

}  // namespace rnnfast::reduced
