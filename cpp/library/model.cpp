#include "library/model.h"

#include "library/parts.h"
#include "library/tag_rules.h"

namespace rnnfast::library {

namespace {

// Hyperparameters: those of the training, where others were set after it.
class Hyperparameters {
 public:
  explicit Hyperparameters(const Json& content)
      : now_(content.at("parameters")), then_(content.at("learned").find("trained_with")) {}

  const Json& at(const std::string& name) const {
    const Json* found = then_ == nullptr ? nullptr : then_->find(name);
    return found != nullptr ? *found : now_.at(name);
  }
  bool flag(const std::string& name) const {
    const Json* found = then_ == nullptr ? nullptr : then_->find(name);
    if (found == nullptr) found = now_.find(name);
    return found != nullptr && found->boolean(name);
  }
  bool is_set(const std::string& name) const {
    return now_.find(name) != nullptr && !at(name).is_null();
  }

 private:
  const Json& now_;
  const Json* then_;
};

const std::map<std::string, rnnfast_kind>& kinds() {
  static const std::map<std::string, rnnfast_kind> all = {
      {"LanguageModel", RNNFAST_LANGUAGE_MODEL},
      {"SequenceClassifier", RNNFAST_CLASSIFIER},
      {"SequenceTagger", RNNFAST_TAGGER},
      {"CTCRecognizer", RNNFAST_CTC}};
  return all;
}

// A class as text: a str, or an integer.
std::string label_of(const Json& label) {
  if (label.is(Json::Kind::string)) return label.string("classes");
  if (label.is(Json::Kind::boolean)) return label.boolean("classes") ? "True" : "False";
  return std::to_string(label.integer("classes"));
}

void read_inputs(const Json& inputs, Model& model) {
  const std::string& type = inputs.at("type").string("inputs");
  if (type == "tokens") {
    require_known("inputs", inputs, {"type", "tokenizer", "vocabulary"});
    model.has_tokens = true;
    model.tokens = Tokens(inputs.at("tokenizer"), inputs.at("vocabulary").string("vocabulary"));
    return;
  }
  if (type != "series") fail_file("inputs: expected tokens or series, got " + shown(type));
  require_known("inputs", inputs, {"type", "mean", "scale", "dtype"});
  for (const Json& number : inputs.at("mean").array("mean"))
    model.mean.push_back(number.number("mean"));
  for (const Json& number : inputs.at("scale").array("scale"))
    model.scale.push_back(number.number("scale"));
  if (model.mean.size() != model.scale.size() || model.mean.empty())
    fail_file("scale: expected one number a feature, got others");
  for (std::size_t i = 0; i < model.mean.size(); ++i)
    if (!std::isfinite(model.mean[i]) || !std::isfinite(model.scale[i]) || !(model.scale[i] > 0))
      fail_file("scale: expected finite numbers above 0, got others");
}

void require_plain_words(const Json& learned) {
  const Json* words = learned.find("words");
  if (words == nullptr || words->is_null()) return;
  require_known("words", *words, {"lowercase", "shapes", "characters"});
  if (words->at("lowercase").boolean("lowercase") || words->at("shapes").boolean("shapes") ||
      !words->at("characters").is_null())
    fail_unsupported("words: expected tokens alone, got lowercase, shapes or characters");
}

Pool pool_of(const Json& pooling) {
  const std::string& how = pooling.string("pooling");
  if (how == "last") return Pool::last;
  if (how == "mean") return Pool::mean;
  if (how == "max") return Pool::max;
  if (how == "concat") return Pool::concat;
  fail_unsupported("pooling: expected last, mean, max or concat, got " + shown(how));
}

// Embedding or one-hot vectors, recurrent layers, pooling, the output layer.
template <class Scalar>
void read_network(const Archive& archive, const Hyperparameters& params, std::int64_t inputs,
                  std::int64_t outputs, Model& model) {
  Arrays arrays(archive.tensors);
  Network<Scalar> network;
  Extras<Scalar> extras;
  std::int64_t features = inputs;
  std::shared_ptr<Block<Scalar>> table;
  if (model.has_tokens && !params.at("embedding_size").is_null()) {
    EmbeddingPart<Scalar> embedding;
    embedding.count = inputs;
    features = embedding.E = size_of("embedding_size", params.at("embedding_size"));
    embedding.table = std::make_shared<Block<Scalar>>(
        arrays.take<Scalar>("embedding.weight", {inputs, features}));
    table = embedding.table;
    network.add(embedding);
  }
  static const Json none = Json::parse("cell_options", "{}");
  const Json& given = params.at("cell_options");
  RecurrentOptions options =
      recurrent_options(params.at("cell").string("cell"), given.is_null() ? none : given);
  options.input_size = features;
  options.hidden_size = size_of("hidden_size", params.at("hidden_size"));
  options.num_layers = size_of("num_layers", params.at("num_layers"));
  options.bidirectional = params.flag("bidirectional");
  network.add(make_recurrent<Scalar>(options, "recurrent.", arrays));
  if (model.kind == RNNFAST_CLASSIFIER)
    network.add(PoolingPart{pool_of(params.at("pooling")), options.bidirectional ? 2 : 1});
  const std::int64_t I = network.output_size();
  const bool tied = params.flag("tie_weights");
  if (tied && table == nullptr) fail_file("tie_weights: expected embeddings with it, got none");
  if (tied && I != features) fail_file("tie_weights: expected embeddings as wide as the outputs");
  extras.output_weight =
      tied ? first_rows(*table, outputs, I) : arrays.take<Scalar>("output.weight", {outputs, I});
  network.add(
      make_linear<Scalar>(I, outputs, extras.output_weight,
                          arrays.take<Scalar>(tied ? "embedding.bias" : "output.bias", {outputs})));
  if (model.kind != RNNFAST_LANGUAGE_MODEL) extras.output_weight = {};
  if (model.kind == RNNFAST_TAGGER && params.flag("crf")) {
    extras.crf.start = arrays.take<Scalar>("crf.start", {outputs});
    extras.crf.end = arrays.take<Scalar>("crf.end", {outputs});
    extras.crf.transitions = arrays.take<Scalar>("crf.transitions", {outputs, outputs});
    if (params.is_set("scheme")) {
      const TagRules rules(params.at("scheme").string("scheme"), model.labels);
      if (rules.hold()) rules.apply(extras.crf);
    }
  }
  arrays.require_all_taken();
  model.network = std::move(network);
  model.extras = std::move(extras);
}

}  // namespace

Model read_model(const Archive& archive) {
  Model model;
  if (archive.kind == "layers") {
    model.network = read_layers(archive);
    return model;
  }
  if (archive.kind != "model")
    fail_unsupported("file: expected layers or a model, got " + shown(archive.kind));
  const Json& content = archive.content;
  const std::string& name = content.at("model").string("model");
  const auto kind = kinds().find(name);
  if (kind == kinds().end())
    fail_unsupported(
        "model: expected LanguageModel, SequenceClassifier, SequenceTagger or CTCRecognizer, got " +
        shown(name));
  model.kind = kind->second;
  const Json& learned = content.at("learned");
  const Hyperparameters params(content);
  std::int64_t inputs = 0, outputs = 0;
  if (model.kind == RNNFAST_LANGUAGE_MODEL) {
    if (const Json* condition = learned.find("condition"); condition && !condition->is_null())
      fail_unsupported("condition: expected a model without one");
    if (const Json* cutoffs = learned.find("cutoffs"); cutoffs && !cutoffs->is_null())
      fail_unsupported("output: expected the full softmax, got an adaptive one");
    model.has_tokens = true;
    model.tokens = Tokens(learned.at("tokenizer"), learned.at("vocabulary").string("vocabulary"));
    model.lines = params.flag("lines");
    if (model.lines && model.tokens.end() < 0)
      fail_file("vocabulary: expected an end of lines, got none");
    outputs = model.tokens.size();
    inputs = outputs + 1;  // and the one that stands before the first token
  } else {
    read_inputs(learned.at("inputs"), model);
    require_plain_words(learned);
    if (params.flag("feed_labels")) fail_unsupported("feed_labels: expected false, got true");
    const char* const labels = model.kind == RNNFAST_CTC ? "symbols" : "classes";
    for (const Json& label : learned.at(labels).array(labels))
      model.labels.push_back(label_of(label));
    if (model.labels.empty()) fail_file("classes: expected some, got none");
    outputs = static_cast<std::int64_t>(model.labels.size()) + (model.kind == RNNFAST_CTC ? 1 : 0);
    inputs = model.has_tokens ? model.tokens.size() : static_cast<std::int64_t>(model.mean.size());
  }
  const std::string& dtype = params.at("dtype").string("dtype");
  if (dtype == "float64")
    read_network<double>(archive, params, inputs, outputs, model);
  else if (dtype == "float32")
    read_network<float>(archive, params, inputs, outputs, model);
  else
    fail_unsupported("dtype: expected float32 or float64, got " + shown(dtype));
  return model;
}

}  // namespace rnnfast::library
