// Layers from their options and arrays.
#pragma once

#include "library/arrays.h"
#include "library/network.h"

namespace rnnfast::library {

// Options of a recurrent layer, as Python's layers take them.
struct RecurrentOptions {
  std::string cell;  // the kernels' name
  std::int64_t input_size = 0, hidden_size = 0, num_layers = 1, proj_size = 0;
  bool bias = true, bidirectional = false;
  double zoneout_h = 0, zoneout_c = 0;
  std::int64_t width = 1;    // steps that filters see
  double highway_scale = 1;  // of cells with a highway
};

// Those of a layer by its name: "RNN", "rnn", "LayerNormLSTM", "layer_norm_lstm" and so on; a Fault
// where there is none of it. `options` are what its class takes besides sizes, absent ones being
// the defaults.
RecurrentOptions recurrent_options(const std::string& layer, const Json& options);

// Parameters are named prefix + "weight_ih_l0".
template <class Scalar>
RecurrentPart<Scalar> make_recurrent(const RecurrentOptions& options, const std::string& prefix,
                                     Arrays& arrays);

// From weights (O, I) and a bias (O), empty without one.
template <class Scalar>
LinearPart<Scalar> make_linear(std::int64_t I, std::int64_t O, const Block<Scalar>& weight,
                               Block<Scalar> bias);

// From parameters in PyTorch's layout, one entry for each layer and direction, and the memory that
// they stand in.
template <class Scalar>
RecurrentPart<Scalar> pack_recurrent(const StackShape& shape,
                                     const std::vector<LayerParameters<const Scalar*>>& parameters,
                                     std::vector<Block<Scalar>> memory);

// Of a table of so many columns.
template <class Scalar>
Block<Scalar> first_rows(const Block<Scalar>& table, std::int64_t rows, std::int64_t columns) {
  if (rows * columns > table.size()) fail_file("embedding: expected a row for each output");
  Block<Scalar> part(rows * columns);
  std::copy_n(table.data(), part.size(), part.data());
  return part;
}

const CellDescriptor* find_cell(const std::string& name);

// A size that a layer may have; a Fault that names it where it may not.
std::int64_t size_of(const std::string& name, const Json& value, std::int64_t least = 1);

}  // namespace rnnfast::library
