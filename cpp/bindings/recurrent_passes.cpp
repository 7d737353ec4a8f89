#include "bindings/recurrent_passes.h"

#include <pybind11/stl.h>

#include <mutex>
#include <utility>

#include "bindings/memory.h"
#include "bindings/sequence_arguments.h"
#include "bindings/unlocked.h"

namespace rnnfast {

void ForwardCache::release() {
  if (cache != nullptr)
    with_scalar(is_double, [this](auto scalar) {
      tables<decltype(scalar)>(*weights->table).recurrent->cache_free(cache);
    });
  cache = nullptr;
  weights.reset();
  x = y = reset = noise[0] = noise[1] = noise[2] = Held();
}

template <class Scalar>
void ForwardCache::fill(std::shared_ptr<const PackedWeights> packed,
                        const SequenceInput<Scalar>& in, Held x_read, Held y_written,
                        bool by_batch) {
  is_double = std::is_same_v<Scalar, double>;
  weights = std::move(packed);
  x = std::move(x_read);
  y = std::move(y_written);
  T = in.T;
  B = in.B;
  x_time = in.x_time;
  x_batch = in.x_batch;
  indices = in.indices != nullptr;
  batch_first = by_batch;
}

std::int64_t ForwardCache::bytes() const {
  if (cache == nullptr) return 0;
  std::int64_t drawn = 0;
  for (const Held& mask : noise) drawn += mask->nbytes();
  return drawn + with_scalar(is_double, [this](auto scalar) {
           return tables<decltype(scalar)>(*weights->table).recurrent->cache_bytes(cache);
         });
}

template <class Scalar>
void check_sequence(const Recurrent& self, const char* name, const py::array& given,
                    const py::object& lengths, bool batch_first) {
  const bool indices = given.ndim() == 2;
  const py::array array = sequence_array<Scalar>(name, given);
  const std::int64_t T = array.shape(batch_first ? 1 : 0), B = array.shape(batch_first ? 0 : 1);
  const auto given_lengths = read_lengths(lengths, T, B);
  const std::int64_t* const ends = lengths.is_none() ? nullptr : given_lengths.data();
  if (indices)
    require_indices(Strided<std::int64_t>(array, batch_first), T, B, self.shape().I, ends);
  else
    require_finite(name, Strided<Scalar>(array, batch_first), T, B, array.shape(2), ends);
}

template <class Scalar>
std::uint64_t fingerprint_of(const py::array& x_given, const py::object& lengths,
                             bool batch_first) {
  const py::array x = with_contiguous_rows("x", x_given);
  const std::int64_t T = x.shape(batch_first ? 1 : 0), B = x.shape(batch_first ? 0 : 1);
  const auto given_lengths = read_lengths(lengths, T, B);
  const std::int64_t* const ends = lengths.is_none() ? nullptr : given_lengths.data();
  return fingerprint_of(Strided<Scalar>(x, batch_first), T, B, x.shape(2), ends);
}

template <class Scalar>
py::tuple forward(Recurrent& self, const py::array& x_given, const py::object& h0,
                  const py::object& c0, const py::object& lengths, const py::object& reset,
                  bool batch_first, bool keep, const Dropout& dropout,
                  std::shared_ptr<const PackedWeights> weights, int threads,
                  const py::object& noise, bool packed) {
  const StackShape& shape = self.shape();
  SequenceArguments<Scalar> read(shape, x_given, h0, c0, lengths, reset, batch_first, noise,
                                 packed);
  const SequenceInput<Scalar>& in = read.in;
  const std::int64_t T = read.T, B = read.B;
  const std::int64_t states = std::int64_t(shape.L) * shape.D, width = shape.D * shape.P;
  if (shape.window > 1) {
    const std::int64_t widest = std::max(shape.input_of(0), shape.L > 1 ? shape.input_of(1) : 0);
    require_memory("width: steps side by side, " + std::to_string(shape.window) + " each",
                   bytes_of({T, B, shape.D, widest}, sizeof(Scalar)));
  }
  auto y = new_array<Scalar>(by_time(T, B, batch_first, width));
  auto h_n = new_array<Scalar>({states, in.B, shape.P});
  auto c_n = new_array<Scalar>({shape.cell->has_memory() ? states : 0, in.B, shape.memory()});
  const Strided<Scalar> y_strided(y, batch_first);
  const SequenceOutput<Scalar> out = {y.mutable_data(), y_strided.time, y_strided.batch,
                                      h_n.mutable_data(), c_n.mutable_data()};
  auto cache = keep ? std::make_unique<ForwardCache>() : nullptr;
  threads = thread_count(threads);
  Status status;
  {
    const Unlocked others(T, in.B, self.parameter_count());
    if (cache && !read.indices)
      cache->x_print =
          fingerprint_of(Strided<Scalar>(read.x, batch_first), T, B, shape.I, read.ends);
    status = tables<Scalar>(self.table())
                 .recurrent->forward(weights->packed, in, out, dropout,
                                     cache ? &cache->cache : nullptr, threads);
  }
  read.require(status);
  if (cache) {
    cache->fill(std::move(weights), in, read.x_held, Held(y), batch_first);
    cache->reset = read.reset;
    std::copy(read.noise, read.noise + 3, cache->noise);
    cache->lengths = std::move(read.lengths);
    cache->packed_rows = packed ? B : 0;
    return py::make_tuple(y, h_n, c_n, py::cast(std::move(cache)));
  }
  return py::make_tuple(y, h_n, c_n, py::none());
}

template <class Scalar>
py::tuple forward_each(const std::vector<std::shared_ptr<Recurrent>>& networks, const py::array& x,
                       bool shared, const py::object& h0, const py::object& c0,
                       const py::object& lengths, const py::object& reset, bool batch_first) {
  const StackShape& shape = networks.front()->shape();
  const auto N = static_cast<std::int64_t>(networks.size());
  const auto part = [N](const char* name, const py::object& given, std::int64_t n) -> py::object {
    if (given.is_none()) return given;
    const auto array = py::cast<py::array>(given);
    if (array.ndim() < 1 || array.shape(0) != N)
      throw py::value_error(std::string(name) + ": expected " + std::to_string(N) +
                            " on the first axis, one for each network, got shape " +
                            text_of(shape_of(array)));
    return array[py::int_(n)];
  };
  std::vector<std::unique_ptr<SequenceArguments<Scalar>>> read;
  std::vector<std::shared_ptr<const PackedWeights>> weights;
  for (std::int64_t n = 0; n < N; ++n) {
    const auto own = shared ? x : py::cast<py::array>(part("x", x, n));
    read.push_back(std::make_unique<SequenceArguments<Scalar>>(
        shape, own, part("h0", h0, n), part("c0", c0, n), lengths, reset, batch_first, py::none()));
    weights.push_back(networks[n]->weights(false));
  }
  const std::int64_t T = read.front()->in.T, B = read.front()->in.B;
  const std::int64_t states = std::int64_t(shape.L) * shape.D, width = shape.D * shape.P;
  const std::int64_t memories = shape.cell->has_memory() ? states : 0;
  std::vector<std::int64_t> sizes = by_time(T, B, batch_first, width);
  sizes.insert(sizes.begin(), N);
  auto y = new_array<Scalar>(sizes);
  auto h_n = new_array<Scalar>({N, states, B, shape.P});
  auto c_n = new_array<Scalar>({N, memories, B, shape.memory()});
  Scalar* const data[] = {y.mutable_data(), h_n.mutable_data(), c_n.mutable_data()};
  const int threads = thread_count();
  const auto& table = *tables<Scalar>(networks.front()->table()).recurrent;
  std::int64_t n = 0;
  Status status = Status::ok;
  {
    const Released release;
    for (; n < N; ++n) {
      const SequenceOutput<Scalar> out = {
          data[0] + n * T * B * width, batch_first ? width : B * width,
          batch_first ? T * width : width, data[1] + n * states * B * shape.P,
          data[2] + n * memories * B * shape.memory()};
      status = table.forward(weights[n]->packed, read[n]->in, out, Dropout{}, nullptr, threads);
      if (status != Status::ok) break;
    }
  }
  if (n < N) read[n]->require(status);
  return py::make_tuple(y, h_n, c_n);
}

template <class Scalar>
py::tuple backward(Recurrent& self, ForwardCache& kept, const py::object& dy,
                   const py::object& dh_n, const py::object& dc_n, Need need,
                   const py::object& gradients, int threads) {
  self.require_training();
  const StackShape& shape = self.shape();
  if (kept.cache == nullptr)
    throw std::runtime_error(
        "backprop: expected to be called once a forward pass, got a second call");
  const bool packed = kept.packed_rows > 0;
  const std::int64_t T = packed ? 1 : kept.T, B = packed ? kept.packed_rows : kept.B;
  const std::int64_t states = std::int64_t(shape.L) * shape.D;
  SequenceGradients<Scalar> g = {};
  g.any_dy = need.within;
  Held dy_held, dh_held, dc_held;
  if (!dy.is_none()) {
    const auto given = py::cast<py::array>(dy);
    require_dtype<Scalar>("dy", given);
    require_shape("dy", given, by_time(T, B, kept.batch_first, shape.D * shape.P));
    dy_held = Held(with_contiguous_rows("dy", given));
    const Strided<Scalar> s(*dy_held, kept.batch_first);
    g.dy = s.data;
    g.dy_time = s.time;
    g.dy_batch = s.batch;
  }
  g.dh_n = state_data<Scalar>("dh_n", dh_n, shape, kept.B, shape.P, dh_held, need.within);
  g.dc_n = state_data<Scalar>("dc_n", dc_n, shape, kept.B, shape.memory(), dc_held, need.within);
  py::object dx = py::none();
  if (need.dx && !kept.indices) {
    auto array = new_array<Scalar>(by_time(T, B, kept.batch_first, shape.I));
    const Strided<Scalar> s(array, kept.batch_first);
    g.dx = array.mutable_data();
    g.dx_time = s.time;
    g.dx_batch = s.batch;
    dx = array;
  }
  auto dh0 = new_array<Scalar>({states, kept.B, shape.P});
  auto dc0 = new_array<Scalar>({shape.cell->has_memory() ? states : 0, kept.B, shape.memory()});
  g.dh0 = dh0.mutable_data();
  g.dc0 = shape.cell->has_memory() ? dc0.mutable_data() : nullptr;
  py::array flat;
  Held flat_held;
  if (!gradients.is_none()) {
    flat = py::cast<py::array>(gradients);
    require_dtype<Scalar>("gradients", flat);
    require_shape("gradients", flat, {self.size()});
    if (!(flat.flags() & py::array::c_style) || !is_aligned(flat))
      throw py::value_error("gradients: expected a C-contiguous array, got another");
    flat_held = Held(flat);
  }
  const auto parameters = self.gradients<Scalar>(
      gradients.is_none() ? nullptr : static_cast<Scalar*>(flat.mutable_data()));
  if (need.weights) g.parameters = parameters.data();
  const auto weights = kept.weights;
  Cache* cache = std::exchange(kept.cache, nullptr);
  const bool alone = !need.weights || !gradients.is_none();
  threads = thread_count(threads);
  const Strided<Scalar> x{kept.x.data<Scalar>(), kept.x_time, kept.x_batch};
  const std::int64_t* const ends = kept.lengths.empty() || packed ? nullptr : kept.lengths.data();
  Status status = Status::ok;
  bool same = true;
  {
    const auto& table = *tables<Scalar>(*weights->table).recurrent;
    const Released release;
    if (!kept.indices) same = fingerprint_of(x, T, B, shape.I, ends) == kept.x_print;
    // Two threads may share a layer: its gradients are added to one pass at a time. A pass with
    // gradients of its own waits for nobody.
    std::unique_lock lock(self.gradient_mutex(), std::defer_lock);
    if (!alone) lock.lock();
    if (same) status = table.backward(weights->packed, cache, g, threads);
    if (status != Status::not_finite) table.cache_free(cache);
  }
  if (status == Status::not_finite) {
    kept.cache = cache;
    require_finite("dy", Strided<Scalar>{g.dy, g.dy_time, g.dy_batch}, T, B, shape.D * shape.P,
                   ends);
    throw_not_finite("dy");
  }
  kept.release();
  if (!same)
    throw std::runtime_error(
        "backprop: expected x as it was in the forward pass, but it was written to");
  require_ok(status);
  return py::make_tuple(dx, dh0, dc0);
}

#define RNNFAST_INSTANTIATE(Scalar)                                                              \
  template void ForwardCache::fill(std::shared_ptr<const PackedWeights>,                         \
                                   const SequenceInput<Scalar>&, Held, Held, bool);              \
  template py::tuple forward<Scalar>(                                                            \
      Recurrent&, const py::array&, const py::object&, const py::object&, const py::object&,     \
      const py::object&, bool, bool, const Dropout&, std::shared_ptr<const PackedWeights>, int,  \
      const py::object&, bool);                                                                  \
  template py::tuple backward<Scalar>(Recurrent&, ForwardCache&, const py::object&,              \
                                      const py::object&, const py::object&, Need,                \
                                      const py::object&, int);                                   \
  template py::tuple forward_each<Scalar>(                                                       \
      const std::vector<std::shared_ptr<Recurrent>>&, const py::array&, bool, const py::object&, \
      const py::object&, const py::object&, const py::object&, bool);                            \
  template std::uint64_t fingerprint_of<Scalar>(const py::array&, const py::object&, bool);      \
  template void check_sequence<Scalar>(const Recurrent&, const char*, const py::array&,          \
                                       const py::object&, bool);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
