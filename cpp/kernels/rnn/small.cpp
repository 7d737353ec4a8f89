// Fills SmallTables.
#include "kernels/rnn/small.h"

#include <cstring>
#include <memory>
#include <new>

#include "kernels/rnn/cells/gru.h"
#include "kernels/rnn/cells/lstm.h"
#include "kernels/rnn/cells/rnn.h"

namespace rnnfast {

namespace {

template <class Scalar>
using Run = decltype(SmallLayers<Scalar>::run);

// The loop of the cell of this name, of those listed.
template <class Scalar, class Cell, class... Others>
Run<Scalar> run_of(const CellDescriptor& cell) {
  if (std::strcmp(cell.name, Cell::descriptor.name) == 0) return small_run<Scalar, Cell>;
  if constexpr (sizeof...(Others) > 0) return run_of<Scalar, Others...>(cell);
  return nullptr;
}

template <class Scalar>
Run<Scalar> run_of(const StackShape& shape) {
  return run_of<Scalar, Gru, GruSimple, Lstm<Peephole::none>, Rnn<Nonlinearity::tanh>,
                Rnn<Nonlinearity::relu>>(*shape.cell);
}

template <class Scalar>
bool fits(const StackShape& shape, std::int64_t O) {
  return shape.L == 1 && shape.D == 1 && !shape.projection && shape.H <= kMostSmallUnits &&
         shape.I <= kMostSmallInputs && O <= kMostSmallOutputs && run_of<Scalar>(shape) != nullptr;
}

// Weights of one product, (gates * H, K), as [block][k][slot][V].
template <class Scalar>
void pack_product(const Scalar* weight, const int* gates, int count, std::int64_t H, std::int64_t K,
                  Scalar* to) {
  constexpr int V = lanes<Scalar>;
  for (std::int64_t unit = 0; unit < H; ++unit)
    for (std::int64_t k = 0; k < K; ++k)
      for (int i = 0; i < count; ++i)
        to[((unit / V * K + k) * count + i) * V + unit % V] = weight[(gates[i] * H + unit) * K + k];
}

template <class Scalar>
SmallNetwork* create(const StackShape& shape, const SmallWeights<Scalar>& given) {
  constexpr int V = lanes<Scalar>;
  const CellDescriptor& cell = *shape.cell;
  const std::int64_t H = shape.H, I = shape.I, blocks = (H + V - 1) / V;
  std::unique_ptr<SmallLayers<Scalar>> n(new (std::nothrow) SmallLayers<Scalar>);
  if (!n) return nullptr;
  n->I = I;
  n->H = H;
  n->O = given.O;
  n->blocks = blocks;
  n->run = run_of<Scalar>(shape);
  const bool is_single = is_column<Scalar>(H, given.O);
  const std::int64_t across = n->across = is_single ? 1 : (given.O + V - 1) / V * V;
  if (is_single) {
    n->column.reset(new (std::nothrow) ColumnRows<Scalar>(H));
    if (!n->column) return nullptr;
  }
  if (!n->bias.reserve_zeroed(blocks * cell.slots * V) ||
      !n->w_x.reserve_zeroed(blocks * I * cell.x_count * V) ||
      !n->w_h.reserve_zeroed(blocks * H * cell.h_count * V) ||
      !n->head.reserve_zeroed(H * across) || !n->head_bias.reserve_zeroed(across))
    return nullptr;
  for (std::int64_t unit = 0; unit < H && given.layer.b_ih != nullptr; ++unit) {
    Scalar* const to = n->bias.data() + unit / V * cell.slots * V + unit % V;
    for (int i = 0; i < cell.x_count; ++i) to[i * V] += given.layer.b_ih[cell.x_gate[i] * H + unit];
    for (int i = 0; i < cell.h_count; ++i)
      to[(cell.h_first + i) * V] += given.layer.b_hh[cell.h_gate[i] * H + unit];
  }
  pack_product(given.layer.w_ih, cell.x_gate, cell.x_count, H, I, n->w_x.data());
  pack_product(given.layer.w_hh, cell.h_gate, cell.h_count, H, H, n->w_h.data());
  for (std::int64_t o = 0; o < given.O; ++o) {
    for (std::int64_t k = 0; k < H; ++k) n->head[k * across + o] = given.weight[o * H + k];
    if (given.bias != nullptr) n->head_bias[o] = given.bias[o];
  }
  return reinterpret_cast<SmallNetwork*>(n.release());
}

template <class Scalar>
SmallTable<Scalar> make_table() {
  SmallTable<Scalar> table = {};
  table.fits = fits<Scalar>;
  table.create = create<Scalar>;
  table.free = [](SmallNetwork* network) {
    delete reinterpret_cast<SmallLayers<Scalar>*>(network);
  };
  table.padded = [](const StackShape& shape) {
    return (shape.H + lanes<Scalar> - 1) / lanes<Scalar> * lanes<Scalar>;
  };
  table.run = [](const SmallNetwork* network, std::int64_t T, const Scalar* x,
                 SmallState<Scalar>* state, Scalar* y) {
    const auto& layers = *reinterpret_cast<const SmallLayers<Scalar>*>(network);
    layers.run(layers, T, x, state, y);
  };
  return table;
}

}  // namespace

extern const SmallTables small_tables;
const SmallTables small_tables = {make_table<float>(), make_table<double>()};

}  // namespace rnnfast
