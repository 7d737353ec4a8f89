// Files of RTNeural: layers of Keras one after the other, in JSON.
#include "library/layers.h"
#include "library/parts.h"

namespace rnnfast::library {

namespace {

// The last size of a shape, as RTNeural reads it.
std::int64_t last_of(const std::string& name, const Json& shape) {
  const auto& sizes = shape.array(name);
  if (sizes.empty()) fail_file(name + ": expected sizes, got none");
  return size_of(name + "[-1]", sizes.back());
}

// An array of one or two axes, (rows, columns).
Block<float> read_array(const std::string& name, const Json& given, std::int64_t rows,
                        std::int64_t columns) {
  const std::string wanted = name + ": expected (" + std::to_string(rows) + ", " +
                             std::to_string(columns) + ") numbers, got another array";
  const auto& lines = given.array(name);
  const bool flat = rows == 1 && !lines.empty() && lines[0].is(Json::Kind::number);
  const auto count = [](const std::vector<Json>& line) {
    return static_cast<std::int64_t>(line.size());
  };
  // Before memory is asked for that the file has no numbers for.
  if (flat ? count(lines) != columns : count(lines) != rows) fail_file(wanted);
  if (!flat)
    for (const Json& line : lines)
      if (count(line.array(name)) != columns) fail_file(wanted);
  Block<float> numbers(product_of({rows, columns}));
  const auto fill = [&](const std::vector<Json>& line, float* to) {
    for (const Json& number : line) {
      *to = static_cast<float>(number.number(name));
      if (!std::isfinite(*to++)) fail_file(name + ": expected finite numbers of float32");
    }
  };
  if (flat) {
    fill(lines, numbers.data());
    return numbers;
  }
  for (std::int64_t r = 0; r < rows; ++r)
    fill(lines[static_cast<std::size_t>(r)].array(name), numbers.data() + r * columns);
  return numbers;
}

// Blocks of columns of a kernel (I, G * H) as blocks of rows (G * H, I): the block g here is the
// block order[g] of Keras.
Block<float> transposed(const Block<float>& kernel, std::int64_t I, std::int64_t H,
                        const std::vector<int>& order) {
  const auto G = static_cast<std::int64_t>(order.size());
  Block<float> weight(I * G * H);
  for (std::int64_t g = 0; g < G; ++g)
    for (std::int64_t h = 0; h < H; ++h)
      for (std::int64_t i = 0; i < I; ++i)
        weight.data()[(g * H + h) * I + i] =
            kernel.data()[i * G * H + order[static_cast<std::size_t>(g)] * H + h];
  return weight;
}

// Functions of a layer, by what RTNeural writes: "" is the identity.
void add_activation(const std::string& where, const std::string& name, Network<float>& network) {
  if (name.empty() || name == "linear") return;
  if (name == "tanh")
    network.add(ActivationPart{Function::tanh});
  else if (name == "relu")
    network.add(ActivationPart{Function::relu});
  else if (name == "sigmoid")
    network.add(ActivationPart{Function::sigmoid});
  else
    fail_unsupported(where + "activation: expected linear, tanh, relu or sigmoid, got " +
                     shown(name));
}

void add_recurrent(const std::string& where, bool is_gru, const std::vector<Json>& weights,
                   std::int64_t I, std::int64_t H, Network<float>& network) {
  // Keras: z, r, n and i, f, g, o; here r, z, n and i, f, g, o.
  const std::vector<int> order = is_gru ? std::vector<int>{1, 0, 2} : std::vector<int>{0, 1, 2, 3};
  const auto rows = static_cast<std::int64_t>(order.size()) * H;
  if (weights.size() != 3)
    fail_file(where + "weights: expected three arrays, got " + std::to_string(weights.size()));
  auto w_ih = transposed(read_array(where + "kernel", weights[0], I, rows), I, H, order);
  auto w_hh = transposed(read_array(where + "recurrent_kernel", weights[1], H, rows), H, H, order);
  const std::int64_t biases = is_gru ? 2 : 1;
  const auto bias = read_array(where + "bias", weights[2], biases, rows);
  Block<float> b_ih(rows), b_hh(rows);
  for (std::int64_t b = 0; b < biases; ++b)
    for (std::size_t g = 0; g < order.size(); ++g)
      std::copy_n(bias.data() + b * rows + order[g] * H, H,
                  (b == 0 ? b_ih : b_hh).data() + static_cast<std::int64_t>(g) * H);
  StackShape shape = {};
  shape.cell = find_cell(is_gru ? "gru" : "lstm");
  shape.I = I;
  shape.H = shape.P = H;
  shape.L = shape.D = 1;
  shape.bias = true;
  LayerParameters<const float*> parameters = {};
  parameters.w_ih = w_ih.data();
  parameters.w_hh = w_hh.data();
  parameters.b_ih = b_ih.data();
  parameters.b_hh = b_hh.data();
  std::vector<Block<float>> memory;
  for (Block<float>* numbers : {&w_ih, &w_hh, &b_ih, &b_hh}) memory.push_back(std::move(*numbers));
  network.add(pack_recurrent<float>(shape, {parameters}, std::move(memory)));
}

}  // namespace

AnyNetwork read_rtneural(const Json& model) {
  const Json* list = model.find("layers");
  if (list == nullptr || !list->is(Json::Kind::array) || list->array("layers").empty())
    fail_file("file: expected a model of RTNeural with layers, got none");
  std::int64_t I = last_of("in_shape", model.at("in_shape"));
  Network<float> network;
  int number = 0;
  for (const Json& layer : list->array("layers")) {
    const std::string where = "layers[" + std::to_string(number++) + "]: ";
    const std::string& kind = layer.at("type").string(where + "type");
    const bool is_dense = kind == "dense" || kind == "time-distributed-dense",
               is_gru = kind == "gru";
    if (!is_dense && !is_gru && kind != "lstm")
      fail_unsupported(where + "type: expected dense, time-distributed-dense, gru or lstm, got " +
                       shown(kind));
    const std::int64_t H = last_of(where + "shape", layer.at("shape"));
    const auto& weights = layer.at("weights").array(where + "weights");
    const Json* given = layer.find("activation");
    const std::string activation =
        given == nullptr || given->is_null() ? "" : given->string(where + "activation");
    if (is_dense) {
      if (weights.size() != 2)
        fail_file(where + "weights: expected two arrays, got " + std::to_string(weights.size()));
      const auto weight = transposed(read_array(where + "kernel", weights[0], I, H), I, H, {0});
      network.add(make_linear<float>(I, H, weight, read_array(where + "bias", weights[1], 1, H)));
      add_activation(where, activation, network);
    } else {
      if (!activation.empty() && activation != "tanh")
        fail_unsupported(where + "activation: expected tanh, got " + shown(activation));
      add_recurrent(where, is_gru, weights, I, H, network);
    }
    I = H;
  }
  return network;
}

}  // namespace rnnfast::library
