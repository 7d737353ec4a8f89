// rnnfast in C++17: rnnfast.h with owners and exceptions, in this header alone.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rnnfast/rnnfast.h"

namespace rnnfast {

// What a call of rnnfast.h that failed says.
class Error : public std::runtime_error {
 public:
  Error(rnnfast_status status, const char* message)
      : std::runtime_error(message), status_(status) {}
  rnnfast_status status() const noexcept { return status_; }

 private:
  rnnfast_status status_;
};

// Not for steps of streams, which leave no line: rnnfast_status_text(status) is theirs.
inline void check(rnnfast_status status) {
  if (status != RNNFAST_OK) throw Error(status, rnnfast_last_error());
}

class Stream;

// A loaded model. Copies share it; it does not change.
class Model {
 public:
  static Model load(const std::string& path) {
    rnnfast_model* made = nullptr;
    check(rnnfast_load(path.c_str(), &made));
    return Model(made);
  }
  static Model load_rtneural(const std::string& path) {
    rnnfast_model* made = nullptr;
    check(rnnfast_load_rtneural(path.c_str(), &made));
    return Model(made);
  }

  rnnfast_kind kind() const { return rnnfast_model_kind(get()); }
  bool is_double() const { return rnnfast_is_double(get()) != 0; }
  std::int64_t input_size() const { return rnnfast_input_size(get()); }
  std::int64_t output_size() const { return rnnfast_output_size(get()); }

  // y (T, B, output_size) of x (T, B, input_size).
  void forward(std::int64_t T, std::int64_t B, const float* x, float* y) const {
    check(rnnfast_forward(get(), T, B, x, y));
  }
  void forward(std::int64_t T, std::int64_t B, const double* x, double* y) const {
    check(rnnfast_forward_f64(get(), T, B, x, y));
  }
  void forward(std::int64_t T, std::int64_t B, const std::int64_t* ids, float* y) const {
    check(rnnfast_forward_ids(get(), T, B, ids, y));
  }
  void forward(std::int64_t T, std::int64_t B, const std::int64_t* ids, double* y) const {
    check(rnnfast_forward_ids_f64(get(), T, B, ids, y));
  }

  std::vector<std::int64_t> encode(const std::string& text) const {
    return filled([&](std::int64_t* to, std::int64_t capacity, std::int64_t* count) {
      return rnnfast_encode(get(), whole(text), to, capacity, count);
    });
  }
  // The number of labels; each is asked for by label().
  std::int64_t num_labels() const { return rnnfast_num_labels(get()); }
  std::string label(std::int64_t number) const { return named(rnnfast_label(get(), number)); }
  std::int64_t num_tokens() const { return rnnfast_num_tokens(get()); }
  std::string token(std::int64_t id) const { return named(rnnfast_token(get(), id)); }

  // Labels of a series x (T, F), or of a text.
  std::vector<std::int64_t> predict(std::int64_t T, const double* x) const {
    return filled([&](std::int64_t* to, std::int64_t capacity, std::int64_t* count) {
      return rnnfast_predict(get(), T, x, to, capacity, count);
    });
  }
  std::vector<std::int64_t> predict(const std::string& text) const {
    return filled([&](std::int64_t* to, std::int64_t capacity, std::int64_t* count) {
      return rnnfast_predict_text(get(), whole(text), to, capacity, count);
    });
  }

  // log P(text) in nats, and of how many tokens.
  std::pair<double, std::int64_t> score(const std::string& text) const {
    std::pair<double, std::int64_t> result{};
    check(rnnfast_score_text(get(), whole(text), &result.first, &result.second));
    return result;
  }
  std::string sample(const std::string& prefix,
                     const rnnfast_sampling& options = rnnfast_default_sampling()) const {
    std::string text(256, '\0');
    for (;;) {
      std::size_t size = 0;
      const rnnfast_status status =
          rnnfast_sample(get(), whole(prefix), &options, &text[0], text.size(), &size);
      if (status != RNNFAST_TOO_SMALL) {
        check(status);
        text.resize(size);
        return text;
      }
      text.resize(size + 1);
    }
  }

  inline Stream stream(std::int64_t B = 1) const;
  const rnnfast_model* get() const noexcept { return model_.get(); }

 private:
  explicit Model(rnnfast_model* made) : model_(made, rnnfast_free) {}

  // A text as C takes it, which ends at a zero: one within would cut it short.
  static const char* whole(const std::string& text) {
    if (text.find('\0') != std::string::npos)
      throw Error(RNNFAST_INVALID_ARGUMENT, "text: expected no zero bytes, got one");
    return text.c_str();
  }
  static std::string named(const char* text) {
    if (text == nullptr)
      throw Error(RNNFAST_INVALID_ARGUMENT, "number: expected one that there is");
    return text;
  }
  template <class Call>
  static std::vector<std::int64_t> filled(const Call& call) {
    std::vector<std::int64_t> items(64);
    for (;;) {
      std::int64_t count = 0;
      const auto capacity = static_cast<std::int64_t>(items.size());
      const rnnfast_status status = call(items.data(), capacity, &count);
      if (status != RNNFAST_TOO_SMALL) check(status);
      items.resize(static_cast<std::size_t>(count));
      if (status == RNNFAST_OK) return items;
    }
  }

  std::shared_ptr<rnnfast_model> model_;
};

// B sequences that a model reads step by step. It keeps the model.
class Stream {
 public:
  explicit Stream(const Model& model, std::int64_t B = 1)
      : model_(model), stream_(nullptr, rnnfast_stream_free) {
    rnnfast_stream* made = nullptr;
    check(rnnfast_stream_create(model.get(), B, &made));
    stream_.reset(made);
  }

  // These neither throw nor allocate; RNNFAST_OK, or what was wrong. Memory of x and y must not
  // overlap.
  rnnfast_status step(const float* x, float* y) noexcept { return rnnfast_step(get(), x, y); }
  rnnfast_status step(const double* x, double* y) noexcept { return rnnfast_step_f64(get(), x, y); }
  rnnfast_status step(const std::int64_t* ids, float* y) noexcept {
    return rnnfast_step_ids(get(), ids, y);
  }
  rnnfast_status step(const std::int64_t* ids, double* y) noexcept {
    return rnnfast_step_ids_f64(get(), ids, y);
  }
  rnnfast_status run(std::int64_t T, const float* x, float* y) noexcept {
    return rnnfast_run(get(), T, x, y);
  }
  rnnfast_status run(std::int64_t T, const double* x, double* y) noexcept {
    return rnnfast_run_f64(get(), T, x, y);
  }
  void reset() noexcept { rnnfast_reset(get()); }

  rnnfast_stream* get() noexcept { return stream_.get(); }

 private:
  Model model_;
  std::unique_ptr<rnnfast_stream, void (*)(rnnfast_stream*)> stream_;
};

inline Stream Model::stream(std::int64_t B) const { return Stream(*this, B); }

}  // namespace rnnfast
