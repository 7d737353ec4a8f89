#include "library/parts.h"

#include <cmath>
#include <cstring>

#include "parameter_kinds.h"

namespace rnnfast::library {

namespace {

constexpr std::int64_t kLargest = std::int64_t(1) << 31;
constexpr std::int64_t kMostLayers = 1000;
constexpr std::int64_t kMostKept = 4096;  // weights of a linear layer that a small stream may run

bool flag(const Json& options, const char* name, bool otherwise) {
  const Json* value = options.find(name);
  return value == nullptr ? otherwise : value->boolean(name);
}

std::string word(const Json& options, const char* name, const char* otherwise) {
  const Json* value = options.find(name);
  return value == nullptr ? otherwise : value->string(name);
}

double share_of(const Json& value) {
  const double share = value.number("zoneout");
  if (!(share >= 0 && share <= 1)) fail_file("zoneout: expected a number from 0 to 1, got another");
  return share;
}

std::string lstm_cell(const Json& options) {
  const Json* peephole = options.find("peephole");
  if (peephole == nullptr) return "lstm";
  if (peephole->is(Json::Kind::string)) {
    if (peephole->string("peephole") != "previous")
      fail_file("peephole: expected true, false or 'previous', got another");
    return "lstm_peephole_previous";
  }
  return peephole->boolean("peephole") ? "lstm_peephole" : "lstm";
}

std::string noisy_cell(const std::string& kind, const Json& options, RecurrentOptions& made) {
  const bool lstm = kind == "lstm";
  if (const Json* zoneout = options.find("zoneout")) {
    const Json* pair = zoneout->find("items");  // a tuple of hyperparameters
    if (zoneout->is(Json::Kind::array)) pair = zoneout;
    if (pair != nullptr) {
      const auto& both = pair->array("zoneout");
      if (!lstm || both.size() != 2) fail_file("zoneout: expected a number, or two of an LSTM");
      made.zoneout_h = share_of(both[0]);
      made.zoneout_c = share_of(both[1]);
    } else {
      made.zoneout_h = share_of(*zoneout);
      made.zoneout_c = lstm ? made.zoneout_h : 0;
    }
  }
  const Json* drop = options.find("recurrent_dropout");
  const bool noisy =
      made.zoneout_h != 0 || made.zoneout_c != 0 || (drop != nullptr && share_of(*drop) != 0);
  return (flag(options, "layer_norm", true) ? "layer_norm_" : noisy ? "zoneout_" : "") + kind;
}

std::string sru_cell(const Json& options, RecurrentOptions& made) {
  const Json* given = options.find("highway_bias");
  const double bias = given == nullptr ? 0 : given->number("highway_bias");
  if (!(bias >= -20 && bias <= 20))
    fail_file("highway_bias: expected a number from -20 to 20, got another");
  if (flag(options, "rescale", true)) made.highway_scale = std::sqrt(1 + 2 * std::exp(bias));
  return "sru";
}

std::string qrnn_cell(const Json& options) {
  const std::string pooling = word(options, "pooling", "fo");
  if (pooling != "f" && pooling != "fo" && pooling != "ifo")
    fail_file("pooling: expected f, fo or ifo, got " + shown(pooling));
  return "qrnn_" + pooling;
}

}  // namespace

std::int64_t size_of(const std::string& name, const Json& value, std::int64_t least) {
  const std::int64_t size = value.integer(name);
  if (size < least || size > kLargest)
    fail_file(name + ": expected a size of a layer, got " + std::to_string(size));
  return size;
}

const CellDescriptor* find_cell(const std::string& name) {
  for (int i = 0; i < kernels().cell_count; ++i)
    if (name == kernels().cells[i]->name) return kernels().cells[i];
  fail_unsupported("cell: expected one that this library has, got " + shown(name));
}

RecurrentOptions recurrent_options(const std::string& layer, const Json& options) {
  RecurrentOptions made;
  if (layer == "RNN" || layer == "rnn")
    made.cell = "rnn_" + word(options, "nonlinearity", "tanh");
  else if (layer == "GRU" || layer == "gru")
    made.cell = !flag(options, "reset_gate", true)   ? "gru_simple"
                : flag(options, "reset_after", true) ? "gru"
                                                     : "gru_reset_before";
  else if (layer == "LSTM" || layer == "lstm")
    made.cell = lstm_cell(options);
  else if (layer == "IndRNN" || layer == "ind_rnn")
    made.cell = "ind_rnn_" + word(options, "nonlinearity", "relu");
  else if (layer == "MinGRU" || layer == "min_gru")
    made.cell = "min_gru";
  else if (layer == "MinLSTM" || layer == "min_lstm")
    made.cell = "min_lstm";
  else if (layer == "SRU" || layer == "sru")
    made.cell = sru_cell(options, made);
  else if (layer == "QRNN" || layer == "qrnn")
    made.cell = qrnn_cell(options);
  else if (layer == "LayerNormGRU" || layer == "layer_norm_gru")
    made.cell = noisy_cell("gru", options, made);
  else if (layer == "LayerNormLSTM" || layer == "layer_norm_lstm")
    made.cell = noisy_cell("lstm", options, made);
  else
    fail_unsupported("layer: expected one that this library has, got " + shown(layer));
  // What is done in training alone, and how weights begin, is read by nobody here.
  require_known(layer, options,
                {"input_size",  "hidden_size",       "num_layers",    "bias",        "batch_first",
                 "dropout",     "variational",       "bidirectional", "dtype",       "nonlinearity",
                 "reset_after", "reset_gate",        "proj_size",     "peephole",    "layer_norm",
                 "zoneout",     "recurrent_dropout", "orthogonal",    "forget_bias", "highway_bias",
                 "rescale",     "pooling",           "width"});
  made.bias = flag(options, "bias", true);
  if (const Json* width = options.find("width")) made.width = size_of("width", *width);
  if (const Json* proj = options.find("proj_size")) made.proj_size = size_of("proj_size", *proj, 0);
  return made;
}

template <class Scalar>
RecurrentPart<Scalar> pack_recurrent(const StackShape& shape,
                                     const std::vector<LayerParameters<const Scalar*>>& parameters,
                                     std::vector<Block<Scalar>> memory) {
  const auto& table = *tables<Scalar>(kernels()).recurrent;
  RecurrentPart<Scalar> part;
  part.shape = shape;
  part.packed = std::shared_ptr<Packed>(table.packed_create(shape),
                                        typename RecurrentPart<Scalar>::Free{&table});
  if (part.packed == nullptr) throw std::bad_alloc();
  require_ok(table.pack(part.packed.get(), parameters.data(), 1));
  if (table_of<Scalar>(small_kernels()).fits(shape, 0)) {
    part.parameters = parameters.front();
    part.kept = std::make_shared<std::vector<Block<Scalar>>>(std::move(memory));
  }
  return part;
}

template <class Scalar>
RecurrentPart<Scalar> make_recurrent(const RecurrentOptions& options, const std::string& prefix,
                                     Arrays& arrays) {
  StackShape shape = {};
  shape.cell = find_cell(options.cell);
  if (shape.cell->general()) fail_unsupported("cell: expected one of a layer, got a general one");
  if (options.num_layers > kMostLayers)
    fail_unsupported("num_layers: expected at most " + std::to_string(kMostLayers) + ", got " +
                     std::to_string(options.num_layers));
  shape.I = options.input_size;
  shape.H = options.hidden_size;
  shape.projection = options.proj_size > 0;
  if (shape.projection && !shape.cell->may_project)
    fail_file("proj_size: expected 0 with the cell " + options.cell + ", got another");
  shape.P = shape.projection ? options.proj_size : shape.H;
  shape.L = static_cast<int>(options.num_layers);
  shape.D = options.bidirectional ? 2 : 1;
  shape.bias = options.bias;
  shape.zoneout_h = options.zoneout_h;
  shape.zoneout_c = options.zoneout_c;
  if (shape.cell->highway && shape.I == shape.D * shape.H) shape.highway = 0;
  shape.highway_scale = options.highway_scale;
  shape.window = static_cast<int>(options.width);
  if (shape.window > 1) shape.window_width = std::max(shape.I, shape.L > 1 ? shape.D * shape.P : 0);
  if (!shape.fits_window()) fail_file("width: expected 1 or more of a QRNN, got another");
  std::vector<Block<Scalar>> kept;
  std::vector<LayerParameters<const Scalar*>> parameters;
  for (int i = 0; i < shape.L * shape.D; ++i) {
    const std::string end =
        "_l" + std::to_string(i / shape.D) + (i % shape.D == 1 ? "_reverse" : "");
    parameters.push_back({});
    for (const auto& kind : parameter_kinds<LayerParameters<const Scalar*>>(
             shape.cell_of(i / shape.D), shape.bias, shape.projection)) {
      const auto sizes = kind.shape_in(shape, i / shape.D);
      kept.push_back(arrays.take<Scalar>(std::string(prefix).append(kind.name).append(end), sizes));
      parameters.back().*kind.place = kept.back().data();
    }
  }
  return pack_recurrent<Scalar>(shape, parameters, std::move(kept));
}

template <class Scalar>
LinearPart<Scalar> make_linear(std::int64_t I, std::int64_t O, const Block<Scalar>& weight,
                               Block<Scalar> bias) {
  const auto& table = *tables<Scalar>(kernels()).linear;
  LinearPart<Scalar> part;
  part.I = I;
  part.O = O;
  part.packed = std::make_shared<Block<Scalar>>(table.packed_size(I, O));
  table.pack(I, O, weight.data(), part.packed->data(), 1);
  if (I * O <= kMostKept) part.weight = std::make_shared<Block<Scalar>>(first_rows(weight, O, I));
  if (bias.data() != nullptr) part.bias = std::make_shared<Block<Scalar>>(std::move(bias));
  return part;
}

template RecurrentPart<float> pack_recurrent(const StackShape&,
                                             const std::vector<LayerParameters<const float*>>&,
                                             std::vector<Block<float>>);
template RecurrentPart<double> pack_recurrent(const StackShape&,
                                              const std::vector<LayerParameters<const double*>>&,
                                              std::vector<Block<double>>);
template RecurrentPart<float> make_recurrent(const RecurrentOptions&, const std::string&, Arrays&);
template RecurrentPart<double> make_recurrent(const RecurrentOptions&, const std::string&, Arrays&);
template LinearPart<float> make_linear(std::int64_t, std::int64_t, const Block<float>&,
                                       Block<float>);
template LinearPart<double> make_linear(std::int64_t, std::int64_t, const Block<double>&,
                                        Block<double>);

}  // namespace rnnfast::library
