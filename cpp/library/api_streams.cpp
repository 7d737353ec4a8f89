// The C interface of streams. Steps allocate nothing, take no lock and make no system call: they
// throw nothing, and leave no line behind where they fail.
#include <cstdint>

#include "library/call.h"

using namespace rnnfast;
using namespace rnnfast::library;

namespace {

constexpr std::int64_t kMostRows = std::int64_t(1) << 31;

// A few numbers are looked at here: the kernels' scan would take longer to call.
template <class Scalar>
bool all_finite(std::int64_t n, const Scalar* x) noexcept {
  if (n > 16) return tables<Scalar>(kernels()).elements->all_finite(1, n, {x, n}, 1);
  Scalar sum = 0;  // NaN if one of them is NaN or infinite
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * Scalar(0);
  return sum == 0;
}

// Of numbers that came out: they overflow where weights or what goes from layer to layer is large.
template <class Scalar>
rnnfast_status status_of(std::int64_t n, const Scalar* y) noexcept {
  return all_finite(n, y) ? RNNFAST_OK : RNNFAST_NOT_FINITE;
}

// Whether arrays have memory in common: outputs are written while inputs are still read.
template <class Scalar>
bool overlap(const Scalar* x, std::int64_t x_size, const Scalar* y, std::int64_t y_size) noexcept {
  const auto from = reinterpret_cast<std::uintptr_t>(x), to = reinterpret_cast<std::uintptr_t>(y);
  return from < to + static_cast<std::uintptr_t>(y_size) * sizeof(Scalar) &&
         to < from + static_cast<std::uintptr_t>(x_size) * sizeof(Scalar);
}

template <class Scalar>
rnnfast_status run_numbers(rnnfast_stream* stream, std::int64_t T, const Scalar* x,
                           Scalar* y) noexcept {
  if (stream == nullptr || x == nullptr || y == nullptr || T < 0 || T > kMostRows)
    return RNNFAST_INVALID_ARGUMENT;
  StreamState& s = stream->state;
  auto* const steps = std::get_if<Steps<Scalar>>(&s.steps);
  if (steps == nullptr || !s.takes_numbers) return RNNFAST_WRONG_TYPE;
  if (overlap(x, T * s.B * s.I, y, T * s.B * s.O)) return RNNFAST_INVALID_ARGUMENT;
  if (!all_finite(T * s.B * s.I, x)) return RNNFAST_NOT_FINITE;
  const bool standard = !s.model->mean.empty();
  if (!standard) {
    steps->run(T, x, y);
    return status_of(T * s.B * s.O, y);
  }
  Scalar* const input = std::get<Block<Scalar>>(s.input).data();
  for (std::int64_t t = 0; t < T; ++t) {  // before the first step: what is finite may become large
    s.model->standardise(s.B, x + t * s.B * s.I, input);
    if (!all_finite(s.B * s.I, input)) return RNNFAST_NOT_FINITE;
  }
  for (std::int64_t t = 0; t < T; ++t) {
    if (T > 1) s.model->standardise(s.B, x + t * s.B * s.I, input);
    steps->step(input, nullptr, y + t * s.B * s.O);
  }
  return status_of(T * s.B * s.O, y);
}

template <class Scalar>
rnnfast_status step_ids(rnnfast_stream* stream, const std::int64_t* ids, Scalar* y) noexcept {
  if (stream == nullptr || ids == nullptr || y == nullptr) return RNNFAST_INVALID_ARGUMENT;
  StreamState& s = stream->state;
  auto* const steps = std::get_if<Steps<Scalar>>(&s.steps);
  if (steps == nullptr || !s.takes_ids) return RNNFAST_WRONG_TYPE;
  for (std::int64_t b = 0; b < s.B; ++b)
    if (ids[b] < 0 || ids[b] >= s.I) return RNNFAST_INVALID_ARGUMENT;
  steps->step(nullptr, ids, y);
  return status_of(s.B * s.O, y);
}

template <class Scalar>
rnnfast_status get_state(const rnnfast_stream* stream, Scalar* state) noexcept {
  if (stream == nullptr || state == nullptr) return RNNFAST_INVALID_ARGUMENT;
  const auto* const steps = std::get_if<Steps<Scalar>>(&stream->state.steps);
  if (steps == nullptr) return RNNFAST_WRONG_TYPE;
  steps->get(state);
  return RNNFAST_OK;
}

template <class Scalar>
rnnfast_status set_state(rnnfast_stream* stream, const Scalar* state) noexcept {
  if (stream == nullptr || state == nullptr) return RNNFAST_INVALID_ARGUMENT;
  auto* const steps = std::get_if<Steps<Scalar>>(&stream->state.steps);
  if (steps == nullptr) return RNNFAST_WRONG_TYPE;
  const std::int64_t n = steps->state_size();
  if (!all_finite(n, state)) return RNNFAST_NOT_FINITE;
  steps->set(state);
  return RNNFAST_OK;
}

}  // namespace

extern "C" {

rnnfast_status rnnfast_stream_create(const rnnfast_model* model, int64_t B,
                                     rnnfast_stream** stream) {
  return called([&] {
    require(model, "model");
    require(stream, "stream");
    if (B < 1 || B > kMostRows)
      fail_argument("B: expected 1 to 2**31 sequences, got " + std::to_string(B));
    with_scalar(model->model, [&](auto scalar) {
      using Scalar = decltype(scalar);
      const Network<Scalar>& network = model->model.of<Scalar>();
      const std::int64_t I = network.input_size();
      const bool standard = !model->model.mean.empty();
      Block<Scalar> input(standard ? product_of({B, I}) : 0);
      *stream = new rnnfast_stream{{&model->model, B, I, network.output_size(),
                                    network.takes_ids() && !standard,
                                    network.takes_numbers() && !model->model.has_tokens,
                                    Steps<Scalar>(network, B), std::move(input)}};
    });
  });
}
void rnnfast_stream_free(rnnfast_stream* stream) { delete stream; }

rnnfast_status rnnfast_step(rnnfast_stream* stream, const float* x, float* y) {
  return run_numbers(stream, 1, x, y);
}
rnnfast_status rnnfast_step_f64(rnnfast_stream* stream, const double* x, double* y) {
  return run_numbers(stream, 1, x, y);
}
rnnfast_status rnnfast_step_ids(rnnfast_stream* stream, const int64_t* ids, float* y) {
  return step_ids(stream, ids, y);
}
rnnfast_status rnnfast_step_ids_f64(rnnfast_stream* stream, const int64_t* ids, double* y) {
  return step_ids(stream, ids, y);
}
rnnfast_status rnnfast_run(rnnfast_stream* stream, int64_t T, const float* x, float* y) {
  return run_numbers(stream, T, x, y);
}
rnnfast_status rnnfast_run_f64(rnnfast_stream* stream, int64_t T, const double* x, double* y) {
  return run_numbers(stream, T, x, y);
}

rnnfast_status rnnfast_reset(rnnfast_stream* stream) {
  if (stream == nullptr) return RNNFAST_INVALID_ARGUMENT;
  std::visit([](auto& steps) { steps.reset(); }, stream->state.steps);
  return RNNFAST_OK;
}
int64_t rnnfast_state_size(const rnnfast_stream* stream) {
  if (stream == nullptr) return 0;
  return std::visit([](const auto& steps) { return steps.state_size(); }, stream->state.steps);
}
rnnfast_status rnnfast_get_state(const rnnfast_stream* stream, float* state) {
  return get_state(stream, state);
}
rnnfast_status rnnfast_set_state(rnnfast_stream* stream, const float* state) {
  return set_state(stream, state);
}
rnnfast_status rnnfast_get_state_f64(const rnnfast_stream* stream, double* state) {
  return get_state(stream, state);
}
rnnfast_status rnnfast_set_state_f64(rnnfast_stream* stream, const double* state) {
  return set_state(stream, state);
}

}  // extern "C"
