// The C interface but for streams: models, whole sequences, text.
#include <cstdio>
#include <cstring>

#include "library/answers.h"
#include "library/call.h"

using namespace rnnfast;
using namespace rnnfast::library;

namespace {

thread_local char last_error[1024] = "";

constexpr int kMostThreads = 1024;

template <class Make>
rnnfast_status make_model(rnnfast_model** model, const Make& make) {
  return called([&] {
    require(model, "model");
    *model = new rnnfast_model{make()};
  });
}

Model from_archive(std::string_view bytes) { return read_model(read_archive(bytes)); }

Model from_rtneural(std::string_view text) {
  Model model;
  model.network = read_rtneural(Json::parse("file", text));
  return model;
}

template <class Scalar>
rnnfast_status forward_any(const rnnfast_model* given, std::int64_t T, std::int64_t B,
                           const Scalar* x, const std::int64_t* ids, Scalar* y) {
  return called([&] {
    require(given, "model");
    const Model& model = given->model;
    require_type<Scalar>(model);
    if (T < 1 || B < 1 || T > kMostSteps || B > kMostSteps)
      fail_argument("T, B: expected 1 to 2**40 each, got " + std::to_string(T) + " and " +
                    std::to_string(B));
    require(x != nullptr ? static_cast<const void*>(x) : ids, ids == nullptr ? "x" : "ids");
    require(y, "y");
    const Network<Scalar>& network = model.of<Scalar>();
    if (ids != nullptr && !network.takes_ids())
      fail(RNNFAST_WRONG_TYPE, "ids: expected numbers, got ids");
    if (x != nullptr && (!network.takes_numbers() || model.has_tokens))
      fail(RNNFAST_WRONG_TYPE, "x: expected ids, got numbers");
    if (ids != nullptr) require_ids(ids, product_of({T, B}), network.input_size());
    Block<Scalar> standard;
    if (x != nullptr && !model.mean.empty()) {
      standard = Block<Scalar>(product_of({T, B, network.input_size()}));
      model.standardise(T * B, x, standard.data());
      x = standard.data();
    }
    const Block<Scalar> out = forward(network, Batch<Scalar>{T, B, x, ids});
    if (!tables<Scalar>(kernels()).elements->all_finite(1, out.size(), {out.data(), out.size()}, 1))
      fail(RNNFAST_NOT_FINITE, "y: expected finite numbers, got some that overflow in the layers");
    std::copy_n(out.data(), out.size(), y);
  });
}

rnnfast_status predict_any(const rnnfast_model* model, const Question& question,
                           std::int64_t* labels, std::int64_t capacity, std::int64_t* count) {
  return called([&] {
    require(model, "model");
    require(count, "count");
    if (capacity > 0) require(labels, "labels");
    hand_over(predict(model->model, question), labels, capacity, count);
  });
}

const Tokens& tokens_of(const rnnfast_model* model) {
  require(model, "model");
  if (!model->model.has_tokens)
    fail_unsupported(std::string("model: expected one of tokens, got ") +
                     name_of(model->model.kind) + " without");
  return model->model.tokens;
}

}  // namespace

rnnfast_status rnnfast::library::failed(rnnfast_status status, const char* message) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", message);
  return status;
}

extern "C" {

int rnnfast_abi_version(void) { return RNNFAST_ABI_VERSION; }
const char* rnnfast_version(void) { return RNNFAST_VERSION; }
const char* rnnfast_level(void) {
  const char* level = nullptr;
  called([&] { level = kernels().level; });
  return level;
}

const char* rnnfast_status_text(rnnfast_status status) {
  static const char* const texts[] = {"no error",
                                      "an argument is out of its range",
                                      "the file cannot be read",
                                      "the file is damaged, or its parts do not fit together",
                                      "the file is of another version's format",
                                      "the library has no answer to this",
                                      "the model is of another type",
                                      "a number is NaN or infinite",
                                      "there is not enough memory",
                                      "the memory that was given is too small",
                                      "there are no kernels for this CPU"};
  const auto number = static_cast<std::size_t>(status);
  return number < sizeof texts / sizeof *texts ? texts[number] : "an unknown status";
}
const char* rnnfast_last_error(void) { return last_error; }

rnnfast_status rnnfast_load(const char* path, rnnfast_model** model) {
  return make_model(model, [&] {
    require(path, "path");
    const std::string bytes = read_file(path);
    return from_archive(bytes);
  });
}
rnnfast_status rnnfast_load_memory(const void* bytes, size_t size, rnnfast_model** model) {
  return make_model(model, [&] {
    require(bytes, "bytes");
    return from_archive({static_cast<const char*>(bytes), size});
  });
}
rnnfast_status rnnfast_load_rtneural(const char* path, rnnfast_model** model) {
  return make_model(model, [&] {
    require(path, "path");
    return from_rtneural(read_file(path));
  });
}
rnnfast_status rnnfast_load_rtneural_memory(const char* text, size_t size, rnnfast_model** model) {
  return make_model(model, [&] {
    require(text, "text");
    return from_rtneural({text, size});
  });
}
void rnnfast_free(rnnfast_model* model) { delete model; }

rnnfast_kind rnnfast_model_kind(const rnnfast_model* model) {
  return model == nullptr ? RNNFAST_LAYERS : model->model.kind;
}
int rnnfast_is_double(const rnnfast_model* model) {
  return model != nullptr && model->model.is_double() ? 1 : 0;
}
int64_t rnnfast_input_size(const rnnfast_model* model) {
  if (model == nullptr) return 0;
  return std::visit([](const auto& network) { return network.input_size(); }, model->model.network);
}
int64_t rnnfast_output_size(const rnnfast_model* model) {
  if (model == nullptr) return 0;
  return std::visit([](const auto& network) { return network.output_size(); },
                    model->model.network);
}
int rnnfast_takes_ids(const rnnfast_model* model) {
  if (model == nullptr) return 0;
  const Model& m = model->model;
  const bool takes = std::visit([](const auto& network) { return network.takes_ids(); }, m.network);
  return takes && m.mean.empty() ? 1 : 0;
}
int rnnfast_takes_numbers(const rnnfast_model* model) {
  if (model == nullptr) return 0;
  const Model& m = model->model;
  const bool takes =
      std::visit([](const auto& network) { return network.takes_numbers(); }, m.network);
  return takes && !m.has_tokens ? 1 : 0;
}

rnnfast_status rnnfast_set_num_threads(int count) {
  return called([&] {
    if (count < 1 || count > kMostThreads)
      fail_argument("count: expected 1 to 1024 threads, got " + std::to_string(count));
    set_threads(count);
  });
}

rnnfast_status rnnfast_forward(const rnnfast_model* model, int64_t T, int64_t B, const float* x,
                               float* y) {
  return forward_any<float>(model, T, B, x, nullptr, y);
}
rnnfast_status rnnfast_forward_f64(const rnnfast_model* model, int64_t T, int64_t B,
                                   const double* x, double* y) {
  return forward_any<double>(model, T, B, x, nullptr, y);
}
rnnfast_status rnnfast_forward_ids(const rnnfast_model* model, int64_t T, int64_t B,
                                   const int64_t* ids, float* y) {
  return forward_any<float>(model, T, B, nullptr, ids, y);
}
rnnfast_status rnnfast_forward_ids_f64(const rnnfast_model* model, int64_t T, int64_t B,
                                       const int64_t* ids, double* y) {
  return forward_any<double>(model, T, B, nullptr, ids, y);
}

rnnfast_status rnnfast_encode(const rnnfast_model* model, const char* text, int64_t* ids,
                              int64_t capacity, int64_t* count) {
  return called([&] {
    require(text, "text");
    require(count, "count");
    if (capacity > 0) require(ids, "ids");
    hand_over(tokens_of(model).encode(text), ids, capacity, count);
  });
}
rnnfast_status rnnfast_id_of_token(const rnnfast_model* model, const char* token, int64_t* id) {
  return called([&] {
    require(token, "token");
    require(id, "id");
    *id = tokens_of(model).id(token);
  });
}
const char* rnnfast_token(const rnnfast_model* model, int64_t id) {
  return id >= 0 && id < rnnfast_num_tokens(model) ? model->model.tokens.at(id).c_str() : nullptr;
}
int64_t rnnfast_num_tokens(const rnnfast_model* model) {
  return model == nullptr ? 0 : model->model.tokens.size();
}
const char* rnnfast_label(const rnnfast_model* model, int64_t number) {
  const bool there = number >= 0 && number < rnnfast_num_labels(model);
  return there ? model->model.labels[static_cast<std::size_t>(number)].c_str() : nullptr;
}
int64_t rnnfast_num_labels(const rnnfast_model* model) {
  return model == nullptr ? 0 : static_cast<int64_t>(model->model.labels.size());
}

rnnfast_status rnnfast_score_text(const rnnfast_model* model, const char* text, double* log_prob,
                                  int64_t* num_tokens) {
  return called([&] {
    require(text, "text");
    require(log_prob, "log_prob");
    require(num_tokens, "num_tokens");
    const Score result = score(model->model, "text", tokens_of(model).encode(text));
    *log_prob = result.log_prob;
    *num_tokens = result.num_tokens;
  });
}
rnnfast_status rnnfast_score_ids(const rnnfast_model* model, int64_t T, const int64_t* ids,
                                 double* log_prob, int64_t* num_tokens) {
  return called([&] {
    require(model, "model");
    require(log_prob, "log_prob");
    require(num_tokens, "num_tokens");
    if (T < 0 || T > kMostSteps)
      fail_argument("T: expected 0 to 2**40 ids, got " + std::to_string(T));
    if (T > 0) require(ids, "ids");
    const Score result = score(model->model, "ids", std::vector<std::int64_t>(ids, ids + T));
    *log_prob = result.log_prob;
    *num_tokens = result.num_tokens;
  });
}

rnnfast_sampling rnnfast_default_sampling(void) { return {1.0, 0, 1.0, 500, 0}; }
rnnfast_status rnnfast_sample(const rnnfast_model* model, const char* prefix,
                              const rnnfast_sampling* options, char* text, size_t capacity,
                              size_t* size) {
  return called([&] {
    require(model, "model");
    require(prefix, "prefix");
    require(options, "options");
    require(size, "size");
    if (capacity > 0) require(text, "text");
    const std::string written = sample(model->model, prefix, *options);
    *size = written.size();
    if (written.size() >= capacity)
      fail(RNNFAST_TOO_SMALL, "capacity: expected at least " + std::to_string(written.size() + 1) +
                                  " bytes, got " + std::to_string(capacity));
    std::memcpy(text, written.c_str(), written.size() + 1);
  });
}

rnnfast_status rnnfast_predict(const rnnfast_model* model, int64_t T, const double* x,
                               int64_t* labels, int64_t capacity, int64_t* count) {
  return predict_any(model, {T, x, nullptr}, labels, capacity, count);
}
rnnfast_status rnnfast_predict_ids(const rnnfast_model* model, int64_t T, const int64_t* ids,
                                   int64_t* labels, int64_t capacity, int64_t* count) {
  return predict_any(model, {T, nullptr, ids}, labels, capacity, count);
}
rnnfast_status rnnfast_predict_text(const rnnfast_model* model, const char* text, int64_t* labels,
                                    int64_t capacity, int64_t* count) {
  return called([&] {
    require(text, "text");
    require(count, "count");
    if (capacity > 0) require(labels, "labels");
    const auto ids = tokens_of(model).encode(text);
    const Question question = {static_cast<std::int64_t>(ids.size()), nullptr, ids.data()};
    hand_over(predict(model->model, question), labels, capacity, count);
  });
}
rnnfast_status rnnfast_probabilities(const rnnfast_model* model, int64_t T, const double* x,
                                     const int64_t* ids, double* values, int64_t capacity,
                                     int64_t* count) {
  return called([&] {
    require(model, "model");
    require(count, "count");
    if (capacity > 0) require(values, "probabilities");
    hand_over(probabilities(model->model, {T, x, ids}), values, capacity, count);
  });
}

}  // extern "C"
