#include "library/layers.h"

#include "library/parts.h"

namespace rnnfast::library {

namespace {

constexpr std::size_t kMostParts = 10'000;
constexpr int kDeepestChain = 100;

// Makes the network of a description, whose layers refer to those before them by number.
template <class Scalar>
class Reader {
 public:
  explicit Reader(const Archive& archive)
      : layers_(archive.content.at("layers").array("layers")), arrays_(archive.tensors) {}

  Network<Scalar> read(const Json& structure) {
    if (structure.find("layer") == nullptr)
      fail_unsupported("structure: expected one layer or a chain, got a list or dict of them");
    Network<Scalar> network;
    add(network, structure, 0);
    if (network.parts.empty())
      fail_unsupported("structure: expected a layer with weights, got none");
    // What is dropped in training has no arrays; all others must have been asked for.
    arrays_.require_all_taken();
    return network;
  }

 private:
  void add(Network<Scalar>& network, const Json& reference, int depth) {
    const std::int64_t number = reference.at("layer").integer("layer");
    if (number < 0 || number >= static_cast<std::int64_t>(layers_.size()) || depth > kDeepestChain)
      fail_file("layer: expected the number of one of " + std::to_string(layers_.size()));
    add(network, number, depth);
  }

  void add(Network<Scalar>& network, std::int64_t number, int depth) {
    if (++parts_ > kMostParts) fail_unsupported("layers: expected at most 10000, got more");
    const Json& node = layers_[static_cast<std::size_t>(number)];
    const std::string& kind = node.at("class").string("class");
    if (kind == "TiedEmbedding.linear") {
      add_tied(network, number, node.at("of"));
      return;
    }
    const Json& options = node.at("options");
    if (kind == "Chain") {
      require_known(kind, options, {"parts"});
      for (const Json& place : options.at("parts").at("layers").array("parts"))
        add_before(network, number, place, depth);
    } else if (kind == "Residual") {
      require_known(kind, options, {"part"});
      const auto inner = std::make_shared<Network<Scalar>>();
      const Json& part = options.at("part");
      add_before(*inner, number, part.at("layer"), depth);
      if (inner->parts.empty() || !inner->takes_numbers() ||
          inner->input_size() != inner->output_size())
        fail_unsupported("Residual: expected layers that give as many numbers as they take");
      network.add(ResidualPart<Scalar>{inner});
    } else if (kind != "Dropout" && kind != "VariationalDropout" && kind != "EmbeddingDropout") {
      network.add(once(kind, options, number));
    }
  }

  void add_before(Network<Scalar>& network, std::int64_t number, const Json& place, int depth) {
    const std::int64_t inner = place.integer("layer");
    if (inner < 0 || inner >= number || depth > kDeepestChain)
      fail_file("layer: expected the number of one of the " + std::to_string(number) +
                " before it, got " + std::to_string(inner));
    add(network, inner, depth + 1);
  }

  // The output layer whose weights are the rows of an embedding.
  void add_tied(Network<Scalar>& network, std::int64_t number, const Json& place) {
    const std::int64_t of = place.integer("of");
    if (of < 0 || of >= number) fail_file("of: expected the number of a TiedEmbedding before it");
    const Json& node = layers_[static_cast<std::size_t>(of)];
    if (node.at("class").string("class") != "TiedEmbedding")
      fail_file("of: expected the number of a TiedEmbedding, got another layer");
    const auto table =
        std::get<EmbeddingPart<Scalar>>(once("TiedEmbedding", node.at("options"), of));
    const std::int64_t O = size_of("out_features", node.at("options").at("out_features"));
    network.add(
        make_linear<Scalar>(table.E, O, first_rows(*table.table, O, table.E),
                            arrays_.template take<Scalar>(std::to_string(of) + ".bias", {O})));
  }

  // A layer that stands in several places has its weights once.
  Part<Scalar> once(const std::string& kind, const Json& options, std::int64_t number) {
    const auto known = made_.find(number);
    if (known != made_.end()) return known->second;
    return made_.emplace(number, make(kind, options, std::to_string(number) + ".")).first->second;
  }

  Part<Scalar> make(const std::string& kind, const Json& options, const std::string& prefix) {
    if (kind == "Linear") {
      require_known(kind, options, {"in_features", "out_features", "bias", "dtype"});
      const std::int64_t I = size_of("in_features", options.at("in_features")),
                         O = size_of("out_features", options.at("out_features"));
      const auto weight = arrays_.template take<Scalar>(prefix + "weight", {O, I});
      const bool has_bias = options.at("bias").boolean("bias");
      return make_linear<Scalar>(
          I, O, weight,
          has_bias ? arrays_.template take<Scalar>(prefix + "bias", {O}) : Block<Scalar>());
    }
    if (kind == "Embedding" || kind == "TiedEmbedding") {
      require_known(
          kind, options,
          {"num_embeddings", "embedding_dim", "padding_idx", "sparse", "out_features", "dtype"});
      EmbeddingPart<Scalar> part;
      part.count = size_of("num_embeddings", options.at("num_embeddings"));
      part.E = size_of("embedding_dim", options.at("embedding_dim"));
      part.table = std::make_shared<Block<Scalar>>(
          arrays_.template take<Scalar>(prefix + "weight", {part.count, part.E}));
      if (kind == "TiedEmbedding") {  // of which the embedding makes no use
        const std::int64_t O = size_of("out_features", options.at("out_features"));
        arrays_.template take<Scalar>(prefix + "bias", {O});
      }
      return part;
    }
    if (kind == "Activation") {
      require_known(kind, options, {"kind"});
      const std::string& name = options.at("kind").string("kind");
      if (name == "tanh") return ActivationPart{Function::tanh};
      if (name == "relu") return ActivationPart{Function::relu};
      if (name == "sigmoid") return ActivationPart{Function::sigmoid};
      fail_file("kind: expected tanh, relu or sigmoid, got " + shown(name));
    }
    if (kind == "Pooling") return make_pooling(options);
    RecurrentOptions recurrent = recurrent_options(kind, options);
    recurrent.input_size = size_of("input_size", options.at("input_size"));
    recurrent.hidden_size = size_of("hidden_size", options.at("hidden_size"));
    recurrent.num_layers = size_of("num_layers", options.at("num_layers"));
    recurrent.bidirectional = options.at("bidirectional").boolean("bidirectional");
    require_order(options);
    return make_recurrent<Scalar>(recurrent, prefix, arrays_);
  }

  Part<Scalar> make_pooling(const Json& options) {
    require_known("Pooling", options, {"how", "num_directions", "batch_first"});
    static const std::map<std::string, Pool> kinds = {
        {"last", Pool::last}, {"mean", Pool::mean}, {"max", Pool::max}, {"concat", Pool::concat}};
    const auto how = kinds.find(options.at("how").string("how"));
    if (how == kinds.end()) fail_file("how: expected last, mean, max or concat, got another");
    const std::int64_t directions = size_of("num_directions", options.at("num_directions"));
    return PoolingPart{how->second, static_cast<int>(directions)};
  }

  // All recurrent layers have time on the same axis, which C has first.
  void require_order(const Json& options) {
    const bool batch_first = options.at("batch_first").boolean("batch_first");
    if (knows_order_ && batch_first != batch_first_)
      fail_unsupported("batch_first: expected the same of all layers, got both");
    knows_order_ = true;
    batch_first_ = batch_first;
  }

  const std::vector<Json>& layers_;
  Arrays arrays_;
  std::map<std::int64_t, Part<Scalar>> made_;
  std::size_t parts_ = 0;
  bool knows_order_ = false, batch_first_ = false;
};

}  // namespace

AnyNetwork read_layers(const Archive& archive) {
  const Json& structure = archive.content.at("structure");
  for (const auto& [name, tensor] : archive.tensors) {
    if (tensor.dtype == "F64") return Reader<double>(archive).read(structure);
    if (tensor.dtype == "F32") return Reader<float>(archive).read(structure);
    fail_unsupported(shown(name) + ": expected float32 or float64, got " + tensor.dtype);
  }
  fail_unsupported("layers: expected some with weights, got none");
}

}  // namespace rnnfast::library
