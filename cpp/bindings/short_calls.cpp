#include "bindings/short_calls.h"

#include <memory>
#include <optional>
#include <utility>

#include "bindings/finite.h"
#include "bindings/recurrent_passes.h"
#include "bindings/strided.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// Multiply-adds below which one thread does it: asking how many there may be would take a fair
// part.
constexpr std::int64_t kSharedCall = 1 << 16;

// Whether this is NumPy's own array, of this dtype and number of axes, aligned, with rows that are
// contiguous.
template <class Scalar>
bool is_plain(const py::handle& given, py::ssize_t axes) {
  if (Py_TYPE(given.ptr()) != py::detail::npy_api::get().PyArray_Type_) return false;
  const auto array = py::reinterpret_borrow<py::array>(given);
  return array.ndim() == axes && array.dtype().is(py::dtype::of<Scalar>()) && is_aligned(array) &&
         rows_are_contiguous(array);
}

// The data of a state (states, B, width) as it is to stand in memory; null if it does not.
template <class Scalar>
const Scalar* plain_state(const py::handle& given, std::int64_t states, std::int64_t B,
                          std::int64_t width) {
  if (!is_plain<Scalar>(given, 3)) return nullptr;
  const auto array = py::reinterpret_borrow<py::array>(given);
  if (!(array.flags() & py::array::c_style) || array.shape(0) != states || array.shape(1) != B ||
      array.shape(2) != width)
    return nullptr;
  const auto* const data = static_cast<const Scalar*>(array.data());
  return all_finite(data, states * B * width) ? data : nullptr;
}

template <class Scalar>
py::object typed_call(Recurrent& self, const py::handle& x_given, const py::handle& state,
                      bool batch_first, bool keep) {
  const StackShape& shape = self.shape();
  if (!is_plain<Scalar>(x_given, 3)) return py::none();
  const auto x = py::reinterpret_borrow<py::array>(x_given);
  if (x.shape(2) != shape.I) return py::none();
  SequenceInput<Scalar> in = {};
  const std::int64_t T = in.T = x.shape(batch_first ? 1 : 0);
  const std::int64_t B = in.B = x.shape(batch_first ? 0 : 1);
  const std::int64_t most = kShortCall / self.parameter_count();  // steps
  if (T < 1 || B < 1 || T > most || B > most / T) return py::none();
  const Strided<Scalar> strided(x, batch_first);
  in.x = strided.data;
  in.x_time = strided.time;
  in.x_batch = strided.batch;
  const std::int64_t states = std::int64_t(shape.L) * shape.D, width = shape.D * shape.P;
  const bool has_memory = shape.cell->has_memory();
  if (!state.is_none()) {
    if (has_memory) {
      if (!PyTuple_CheckExact(state.ptr()) || PyTuple_GET_SIZE(state.ptr()) != 2) return py::none();
      in.h0 = plain_state<Scalar>(PyTuple_GET_ITEM(state.ptr(), 0), states, B, shape.P);
      in.c0 = plain_state<Scalar>(PyTuple_GET_ITEM(state.ptr(), 1), states, B, shape.memory());
    } else {
      in.h0 = plain_state<Scalar>(state, states, B, shape.P);
    }
    if (in.h0 == nullptr || (has_memory && in.c0 == nullptr)) return py::none();
  }
  auto y = batch_first ? new_array<Scalar>({B, T, width}) : new_array<Scalar>({T, B, width});
  auto h_n = new_array<Scalar>({states, B, shape.P});
  std::optional<py::array_t<Scalar>> c_n;
  if (has_memory) c_n = new_array<Scalar>({states, B, shape.memory()});
  const SequenceOutput<Scalar> out = {y.mutable_data(), batch_first ? width : B * width,
                                      batch_first ? T * width : width, h_n.mutable_data(),
                                      c_n ? c_n->mutable_data() : nullptr};
  auto weights = self.weights(keep);
  auto cache = keep ? std::make_unique<ForwardCache>() : nullptr;
  if (keep) cache->x_print = fingerprint_of(strided, T, B, shape.I, in.lengths);
  const int threads = T * B * self.parameter_count() < kSharedCall ? 1 : thread_count();
  const Status status = tables<Scalar>(self.table())
                            .recurrent->forward(weights->packed, in, out, Dropout{},
                                                keep ? &cache->cache : nullptr, threads);
  if (status != Status::ok) return py::none();
  const py::object state_n = c_n ? py::object(py::make_tuple(h_n, *c_n)) : py::object(h_n);
  if (!keep) return py::make_tuple(y, state_n);
  cache->fill(std::move(weights), in, Held(x), Held(y), batch_first);
  return py::make_tuple(y, state_n, py::cast(std::move(cache)));
}

}  // namespace

py::object short_call(Recurrent& self, const py::handle& x, const py::handle& state,
                      bool batch_first, bool keep) {
  return self.is_double() ? typed_call<double>(self, x, state, batch_first, keep)
                          : typed_call<float>(self, x, state, batch_first, keep);
}

}  // namespace rnnfast
