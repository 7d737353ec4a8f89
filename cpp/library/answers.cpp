#include "library/answers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <type_traits>

#include "library/fault.h"

namespace rnnfast::library {

namespace {

constexpr std::int64_t kWindow = 512;  // steps of a text that are scored at once, as in Python
constexpr std::int64_t kMostDrawn = 10'000'000;

void require_kind(const Model& model, bool is_one, const char* expected) {
  if (!is_one)
    fail_unsupported(std::string("model: expected ") + expected + ", got " + name_of(model.kind));
}

void require_option(bool holds, const char* name, const char* expected, double got) {
  if (holds) return;
  std::array<char, 32> number = {};
  std::snprintf(number.data(), number.size(), "%g", got);
  fail_argument(std::string("options: expected ") + name + " " + expected + ", got " +
                number.data());
}

template <class Scalar>
std::int64_t state_size(const Network<Scalar>& network) {
  std::int64_t size = 0;
  for (const auto& part : network.parts)
    if (const auto* layer = std::get_if<RecurrentPart<Scalar>>(&part)) size += layer->state_size(1);
  return size;
}

template <class Scalar>
double score_window(const Model& model, std::int64_t T, const std::int64_t* inputs,
                    const std::int64_t* targets, Block<Scalar>& state) {
  const Network<Scalar>& whole = model.of<Scalar>();
  Network<Scalar> layers = whole;  // shares the weights
  layers.parts.pop_back();
  layers.widths.pop_back();
  const auto& output = std::get<LinearPart<Scalar>>(whole.parts.back());
  const Block<Scalar> h = forward(layers, Batch<Scalar>{T, 1, nullptr, inputs}, &state);
  LinearCrossEntropy<Scalar> problem = {};
  problem.shape = {T, output.I, output.O};
  problem.h = {h.data(), output.I};
  problem.weight = model.more<Scalar>().output_weight.data();
  problem.bias = output.bias->data();
  problem.targets.classes = targets;
  problem.targets.ignore = -100;
  problem.targets.scale = 1;
  double loss = 0;
  require_ok(tables<Scalar>(kernels()).losses->linear_cross_entropy(problem, &loss, threads()));
  return loss;
}

// The scores (T, K) or (K) of a sequence.
template <class Scalar>
Block<Scalar> scores_of(const Model& model, const Question& question) {
  const Network<Scalar>& network = model.of<Scalar>();
  if (question.T == 0 && network.pools()) {  // all that speaks is the bias
    const auto& output = std::get<LinearPart<Scalar>>(network.parts.back());
    Block<Scalar> y(output.O);
    std::copy_n(output.bias->data(), output.O, y.data());
    return y;
  }
  if (question.T == 0) return Block<Scalar>(0);
  Block<Scalar> x;
  if (question.x != nullptr) {
    x = Block<Scalar>(product_of({question.T, network.input_size()}));
    model.standardise(question.T, question.x, x.data());
  }
  return forward(network, Batch<Scalar>{question.T, 1, x.data(), question.ids});
}

// The first of the largest.
template <class Scalar>
std::int64_t best_of(const Scalar* scores, std::int64_t K) {
  return std::max_element(scores, scores + K) - scores;
}

template <class Scalar>
CrfChains<Scalar> chains_of(const Crf<Scalar>& crf, std::int64_t T, std::int64_t K,
                            const Scalar* emissions) {
  CrfChains<Scalar> chains = {};
  chains.T = T;
  chains.B = 1;
  chains.K = K;
  chains.emissions = emissions;
  chains.step_stride = chains.row_stride = K;
  chains.start = crf.start.data();
  chains.end = crf.end.data();
  chains.transitions = crf.transitions.data();
  return chains;
}

template <class Scalar>
Block<Scalar> softmax(std::int64_t R, std::int64_t K, const Block<Scalar>& scores) {
  Block<Scalar> y(scores.size());
  require_ok(tables<Scalar>(kernels()).losses->softmax(R, K, {scores.data(), K}, false, y.data(),
                                                       threads()));
  return y;
}

// What may stand before other tokens of a language model, as in Python.
void require_known(const char* name, const std::vector<std::int64_t>& ids, const Tokens& tokens) {
  if (tokens.end() >= 0 && std::find(ids.begin(), ids.end(), tokens.end()) != ids.end())
    fail_argument(std::string(name) + ": expected no end of lines, got one");
  const auto is_unknown = [&](std::int64_t id) { return id == tokens.unknown(); };
  if (!ids.empty() && std::all_of(ids.begin(), ids.end(), is_unknown))
    fail_argument(std::string(name) + ": expected tokens of the model's vocabulary, got none");
}

void require_question(const Model& model, const Question& question) {
  require_kind(model, model.kind != RNNFAST_LAYERS && model.kind != RNNFAST_LANGUAGE_MODEL,
               "a classifier, tagger or CTC model");
  if (question.T < 0 || question.T > kMostSteps)
    fail_argument("T: expected 0 to 2**40 steps, got " + std::to_string(question.T));
  if ((question.ids != nullptr) == (question.x != nullptr) && question.T > 0)
    fail_argument("x, ids: expected one of them, got both or none");
  if (question.T == 0) return;
  if (model.has_tokens != (question.ids != nullptr))
    fail(RNNFAST_WRONG_TYPE, model.has_tokens ? "x: expected ids of tokens, got numbers"
                                              : "ids: expected numbers, got ids");
  if (question.ids != nullptr) require_ids(question.ids, question.T, model.tokens.size());
}

}  // namespace

void require_ids(const std::int64_t* ids, std::int64_t count, std::int64_t size) {
  for (std::int64_t i = 0; i < count; ++i)
    if (ids[i] < 0 || ids[i] >= size)
      fail_argument("ids: expected numbers from 0 to " + std::to_string(size - 1) + ", got " +
                    std::to_string(ids[i]));
}

Score score(const Model& model, const char* name, const std::vector<std::int64_t>& ids) {
  require_kind(model, model.kind == RNNFAST_LANGUAGE_MODEL, "a language model");
  const auto T = static_cast<std::int64_t>(ids.size());
  require_ids(ids.data(), T, model.tokens.size());
  require_known(name, ids, model.tokens);
  std::vector<std::int64_t> inputs{model.tokens.size()}, targets = ids;
  inputs.insert(inputs.end(), ids.begin(), ids.end());
  if (model.lines)
    targets.push_back(model.tokens.end());
  else
    inputs.pop_back();
  Score result;
  result.num_tokens = static_cast<std::int64_t>(targets.size());
  const std::int64_t window = model.lines ? result.num_tokens : kWindow;
  with_scalar(model, [&](auto scalar) {
    using Scalar = decltype(scalar);
    Block<Scalar> state(state_size(model.of<Scalar>()));
    for (std::int64_t t = 0; t < result.num_tokens; t += window)
      result.log_prob -= score_window<Scalar>(model, std::min(window, result.num_tokens - t),
                                              inputs.data() + t, targets.data() + t, state);
  });
  return result;
}

std::string sample(const Model& model, std::string_view prefix, const rnnfast_sampling& options) {
  require_kind(model, model.kind == RNNFAST_LANGUAGE_MODEL, "a language model");
  require_option(options.temperature >= 0 && std::isfinite(options.temperature), "temperature",
                 "of at least 0, finite", options.temperature);
  require_option(options.top_k >= 0, "top_k", "of at least 0", static_cast<double>(options.top_k));
  require_option(options.top_p > 0 && options.top_p <= 1, "top_p", "in (0, 1]", options.top_p);
  require_option(options.max_length >= 1 && options.max_length <= kMostDrawn, "max_length",
                 "of 1 to 10000000", static_cast<double>(options.max_length));
  const Tokens& tokens = model.tokens;
  std::vector<std::string> words = tokens.split(prefix);
  std::vector<std::int64_t> fed;
  fed.reserve(words.size());
  for (const std::string& word : words) fed.push_back(tokens.id(word));
  require_known("prefix", fed, tokens);
  fed.insert(fed.begin(), -1);  // a vector of zeros
  const std::int64_t V = tokens.size();
  std::vector<std::uint8_t> forbidden(static_cast<std::size_t>(V)), stops = forbidden;
  if (tokens.unknown() >= 0) forbidden[static_cast<std::size_t>(tokens.unknown())] = 1;
  if (tokens.end() >= 0) stops[static_cast<std::size_t>(tokens.end())] = 1;
  if (std::find(forbidden.begin(), forbidden.end(), 0) == forbidden.end())
    fail_argument("options: expected a token that may be drawn, got none");
  Block<std::int64_t> drawn(options.max_length);
  std::int64_t length = 0, last = fed.back();
  std::uint8_t done = 0;
  with_scalar(model, [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto& all = tables<Scalar>(kernels());
    const Network<Scalar>& network = model.of<Scalar>();
    const auto& recurrent =
        std::get<RecurrentPart<Scalar>>(network.parts[network.parts.size() - 2]);
    if (recurrent.shape.D > 1) fail_unsupported("model: expected one direction, got two");
    const auto& output = std::get<LinearPart<Scalar>>(network.parts.back());
    const std::shared_ptr<Stream> stream(all.recurrent->stream_create(recurrent.packed.get(), 1),
                                         [&all](Stream* made) {
                                           if (made != nullptr) all.recurrent->stream_free(made);
                                         });
    if (stream == nullptr) throw std::bad_alloc();
    Decoder<Scalar> decoder = {};
    decoder.step = all.recurrent->stream_step;
    decoder.stream = stream.get();
    decoder.packed = recurrent.packed.get();
    decoder.B = 1;
    decoder.I = recurrent.shape.I;
    decoder.H = recurrent.shape.P;
    decoder.V = V;
    if (const auto* table = std::get_if<EmbeddingPart<Scalar>>(&network.parts.front()))
      decoder.embedding = table->table->data();
    decoder.forward = all.linear->forward;
    decoder.weight = output.packed->data();
    decoder.bias = output.bias->data();
    const DrawOptions draw = {options.temperature, options.top_k, options.top_p,
                              tokens.unknown() >= 0 ? forbidden.data() : nullptr, options.seed};
    Drawing drawing = {};
    drawing.tokens = drawn.data();
    drawing.capacity = options.max_length;
    drawing.lengths = &length;
    drawing.done = &done;
    drawing.last = &last;
    drawing.stops = tokens.end() >= 0 ? stops.data() : nullptr;
    require_ok(all.sampling->feed(decoder, fed.data(), static_cast<std::int64_t>(fed.size()) - 1,
                                  threads()));
    require_ok(all.sampling->decode(decoder, draw, drawing, options.max_length, threads()));
  });
  for (std::int64_t i = 0; i < length; ++i)
    if (drawn.data()[i] != tokens.end()) words.push_back(tokens.at(drawn.data()[i]));
  return tokens.join(words);
}

std::vector<std::int64_t> predict(const Model& model, const Question& question) {
  require_question(model, question);
  return with_scalar(model, [&](auto scalar) {
    using Scalar = decltype(scalar);
    const Block<Scalar> scores = scores_of<Scalar>(model, question);
    const std::int64_t K = model.of<Scalar>().output_size(), T = scores.size() / K;
    if (model.kind == RNNFAST_CLASSIFIER)
      return std::vector<std::int64_t>{best_of(softmax(1, K, scores).data(), K)};
    std::vector<std::int64_t> labels(static_cast<std::size_t>(T));
    const Crf<Scalar>& crf = model.more<Scalar>().crf;
    if (model.kind == RNNFAST_TAGGER && crf.start.size() > 0 && T > 0) {
      double total = 0;
      require_ok(tables<Scalar>(kernels()).crf->decode(chains_of(crf, T, K, scores.data()),
                                                       labels.data(), &total, threads()));
      if (std::isinf(total)) fail_argument("x: expected a length that the labels' rules allow");
      return labels;
    }
    for (std::int64_t t = 0; t < T; ++t)
      labels[static_cast<std::size_t>(t)] = best_of(scores.data() + t * K, K);
    if (model.kind == RNNFAST_TAGGER) return labels;
    labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
    labels.erase(std::remove(labels.begin(), labels.end(), K - 1), labels.end());  // the blank
    return labels;
  });
}

std::vector<double> probabilities(const Model& model, const Question& question) {
  require_question(model, question);
  require_kind(model, model.kind != RNNFAST_CTC, "a classifier or tagger");
  return with_scalar(model, [&](auto scalar) {
    using Scalar = decltype(scalar);
    const Block<Scalar> scores = scores_of<Scalar>(model, question);
    const std::int64_t K = model.of<Scalar>().output_size(), T = scores.size() / K;
    const Crf<Scalar>& crf = model.more<Scalar>().crf;
    if (T == 0) return std::vector<double>();
    if (crf.start.size() == 0) {
      const Block<Scalar> y = softmax(T, K, scores);
      return std::vector<double>(y.data(), y.data() + y.size());
    }
    double log_z = 0;
    Block<Scalar> marginals(T * K), start(K), end(K), transitions(K * K);
    CrfSums<Scalar> sums = {};
    sums.log_z = &log_z;
    sums.demissions = marginals.data();
    sums.dstart = start.data();
    sums.dend = end.data();
    sums.dtransitions = transitions.data();
    require_ok(
        tables<Scalar>(kernels()).crf->sums(chains_of(crf, T, K, scores.data()), sums, threads()));
    if (std::isinf(log_z)) fail_argument("x: expected a length that the labels' rules allow");
    return std::vector<double>(marginals.data(), marginals.data() + T * K);
  });
}

}  // namespace rnnfast::library
