#include <pybind11/stl.h>

#include <algorithm>
#include <vector>

#include "bindings/embedding.h"
#include "bindings/linear.h"
#include "bindings/stream.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// How to draw, as Python gives it; checked against V tokens.
struct DrawArguments {
  double temperature;
  std::int64_t top_k;
  double top_p;
  py::object forbidden;
  std::uint64_t seed;

  DrawOptions options(std::int64_t V, Held& held) const {
    const auto* mask = reinterpret_cast<const std::uint8_t*>(
        optional_data<bool>("forbidden", forbidden, {V}, held));
    if (mask != nullptr && std::find(mask, mask + V, 0) == mask + V)
      throw py::value_error("forbidden: expected a token that is allowed, got none");
    return {temperature, top_k, top_p, mask, seed};
  }
};

template <class Scalar>
py::array draw(const py::array& given, const DrawArguments& arguments, std::int64_t position) {
  if (given.ndim() != 2 || given.shape(1) < 1)
    throw py::value_error("logits: expected shape (R, V), got " + text_of(shape_of(given)));
  const RowArray<Scalar> logits("logits", given, given.shape(1));
  Held held;
  const DrawOptions options = arguments.options(given.shape(1), held);
  auto tokens = new_array<std::int64_t>({logits.R});
  std::int64_t* const to = tokens.mutable_data();
  const auto& table = *tables<Scalar>(kernels()).sampling;
  Status status;
  {
    const Released release;
    status = table.draw(logits.R, logits.columns, logits.matrix, options, 0, position, to);
  }
  require_ok(status);
  if (std::any_of(to, to + logits.R, [](auto token) { return token < 0; }))
    require_ok(Status::not_finite);
  return std::move(tokens);
}

// Steps between two looks for Ctrl-C: a few milliseconds' work for a model of middling size.
constexpr std::int64_t kStepsAtOnce = 64;

// Feeds the prefix, then draws up to `capacity` tokens a row: (B, capacity) and the lengths (B).
template <class Scalar>
py::tuple decode(StreamHandle& stream, Linear& linear, const Embedding* embedding, bool zero_first,
                 const std::vector<std::int64_t>& prefix, const DrawArguments& arguments,
                 const py::object& stops, std::int64_t capacity) {
  const StackShape& shape = stream.layer().shape();
  const std::int64_t B = stream.batch_size(), V = linear.out_features(), I = shape.I;
  if (linear.is_double() != stream.layer().is_double())
    throw py::type_error("linear: expected the dtype of the recurrent layer, got another");
  if (linear.in_features() != shape.P)
    throw py::value_error("linear: expected in_features " + std::to_string(shape.P) + ", got " +
                          std::to_string(linear.in_features()));
  std::int64_t known = I;  // tokens that can be fed
  Held forbidden, stop_mask;
  if (embedding != nullptr) {
    if (embedding->is_double() != linear.is_double())
      throw py::type_error("embedding: expected the dtype of the recurrent layer, got another");
    known = embedding->rows();
    if (embedding->columns() != I)
      throw py::value_error("embedding: expected shape " + text_of({known, I}) + ", got " +
                            text_of({known, embedding->columns()}));
  }
  if (known < V)
    throw py::value_error("linear: expected at most " + std::to_string(known) +
                          " tokens, as many as can be fed back, got " + std::to_string(V));
  for (const auto token : prefix)
    if (token < 0 || token >= known)
      throw py::value_error("prefix: expected tokens from 0 to " + std::to_string(known - 1) +
                            ", got " + std::to_string(token));
  if (!zero_first && prefix.empty())
    throw py::value_error("prefix: expected a token, or zero_first=True, got neither");

  const DrawOptions options = arguments.options(V, forbidden);
  const auto& table = *tables<Scalar>(linear.table()).sampling;
  const auto& recurrent_table = *tables<Scalar>(stream.layer().table()).recurrent;
  const auto output = linear.forward<Scalar>();
  const StreamHandle::Lock lock(stream);  // before the state is brought to the kernels' stream
  Decoder<Scalar> decoder = {};
  decoder.step = recurrent_table.stream_step;
  decoder.stream = stream.stream();
  decoder.packed = stream.weights().packed;
  decoder.B = B;
  decoder.I = I;
  decoder.H = shape.P;
  decoder.V = V;
  if (embedding != nullptr) {
    decoder.embedding = embedding->kept() == nullptr ? embedding->table<Scalar>() : nullptr;
    if constexpr (std::is_same_v<Scalar, float>) {
      decoder.kept = embedding->kept();
      if (decoder.kept != nullptr)
        decoder.widen = [](const void* kept, std::int64_t count, const std::int64_t* tokens,
                           float* x) {
          widen_rows(*static_cast<const KeptMatrix*>(kept), count, tokens, x);
        };
    }
  }
  decoder.forward = output.table->forward;
  decoder.weight = output.packed->template data<Scalar>();
  decoder.bias = linear.bias<Scalar>();

  // What is fed: a vector of zeros (-1), the prefix; `decode` begins with the last of these.
  std::vector<std::int64_t> inputs(zero_first ? 1 : 0, -1);
  inputs.insert(inputs.end(), prefix.begin(), prefix.end());
  const auto ahead = static_cast<std::int64_t>(inputs.size()) - 1;

  require_memory(
      "max_length: " + std::to_string(capacity) + " tokens of " + std::to_string(B) + " sequences",
      bytes_of({B, capacity}, sizeof(std::int64_t)));
  auto tokens = new_array<std::int64_t>({B, capacity});  // nobody looks beyond the lengths
  auto lengths = new_array<std::int64_t>({B});
  std::vector<std::int64_t> last(static_cast<std::size_t>(B), inputs.back());
  std::vector<std::uint8_t> done(static_cast<std::size_t>(B), 0);
  Drawing drawing = {};
  drawing.tokens = tokens.mutable_data();
  drawing.capacity = capacity;
  drawing.lengths = lengths.mutable_data();
  drawing.done = done.data();
  drawing.last = last.data();
  drawing.stops =
      reinterpret_cast<const std::uint8_t*>(optional_data<bool>("stops", stops, {V}, stop_mask));
  std::fill(drawing.lengths, drawing.lengths + B, std::int64_t(0));

  const int threads = thread_count();
  Status status = Status::ok;
  for (std::int64_t fed = 0; status == Status::ok;) {
    {
      const Released release;
      if (fed < ahead) {
        const std::int64_t count = std::min(kStepsAtOnce, ahead - fed);
        status = table.feed(decoder, inputs.data() + fed, count, threads);
        fed += count;
      } else {
        status = table.decode(decoder, options, drawing, kStepsAtOnce, threads);
      }
    }
    if (std::find(done.begin(), done.end(), 0) == done.end()) break;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  require_ok(status);
  return py::make_tuple(tokens, lengths);
}

}  // namespace

void bind_decode(py::module_& m) {
  py::class_<DrawArguments>(m, "DrawOptions")
      .def(py::init([](double temperature, std::int64_t top_k, double top_p, py::object forbidden,
                       std::uint64_t seed) {
             return DrawArguments{temperature, top_k, top_p, std::move(forbidden), seed};
           }),
           py::arg("temperature"), py::arg("top_k"), py::arg("top_p"), py::arg("forbidden"),
           py::arg("seed"));
  m.def(
      "draw",
      [](const py::array& logits, const DrawArguments& options, std::int64_t position) {
        return with_scalar_of("logits", logits, [&](auto scalar) {
          return draw<decltype(scalar)>(logits, options, position);
        });
      },
      py::arg("logits"), py::arg("options"), py::arg("position"));
  m.def(
      "decode",
      [](StreamHandle& stream, Linear& linear, const Embedding* embedding, bool zero_first,
         const std::vector<std::int64_t>& prefix, const DrawArguments& options,
         const py::object& stops, std::int64_t max_length) {
        return with_scalar(stream.layer().is_double(), [&](auto scalar) {
          return decode<decltype(scalar)>(stream, linear, embedding, zero_first, prefix, options,
                                          stops, max_length);
        });
      },
      py::arg("stream"), py::arg("linear"), py::arg("embedding").none(true), py::arg("zero_first"),
      py::arg("prefix"), py::arg("options"), py::arg("stops"), py::arg("max_length"));
}

}  // namespace rnnfast
