#include "bindings/stream.h"

#include <pybind11/stl.h>

#include <new>

#include "bindings/finite.h"

namespace rnnfast {

// Bytes of weights below which the kernels take a step by one thread whatever they are offered:
// asking how many there may be would take a fair part of such a step.
constexpr std::int64_t kShared = 256 << 10;

StreamHandle::StreamHandle(std::shared_ptr<Recurrent> layer, std::int64_t batch_size)
    : layer_(std::move(layer)), batch_size_(batch_size), weights_(layer_->weights(false)) {
  const StackShape& shape = layer_->shape();
  if (batch_size < 1)
    throw py::value_error("batch_size: expected at least 1, got " + std::to_string(batch_size));
  // The states twice, and what a step works out.
  const std::int64_t numbers =
      shape.L * (2 * shape.P + shape.H) + (shape.cell->slots + 1) * shape.H;
  require_memory("batch_size: a stream of " + std::to_string(batch_size) + " sequences",
                 bytes_of({batch_size, numbers}, layer_->is_double() ? 8 : 4));
  with_scalar(layer_->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    std::int64_t weights = 0;
    for (int l = 0; l < shape.L; ++l)
      weights += shape.cell->gate_count * shape.H *
                 (shape.input_of(l) + (shape.cell->recurrent_product() ? shape.P : 0));
    may_share_ = weights * static_cast<std::int64_t>(sizeof(Scalar)) >= kShared;
    output_ = new_array<Scalar>({batch_size, shape.P});
    output_flat_ = py::array(py::dtype::of<Scalar>(), {shape.P}, output_.data(), output_);
    stream_ =
        tables<Scalar>(layer_->table()).recurrent->stream_create(weights_->packed, batch_size);
    if (stream_ == nullptr) require_ok(Status::out_of_memory);
  });
}

StreamHandle::~StreamHandle() {
  with_scalar(layer_->is_double(), [&](auto scalar) {
    tables<decltype(scalar)>(layer_->table()).recurrent->stream_free(stream_);
  });
}

template <class Scalar>
void StreamHandle::read(const py::handle& x, StepInput<Scalar>& in) {
  const StackShape& shape = layer_->shape();
  const std::int64_t B = batch_size_, I = shape.I;
  bool wide = false;                           // unsigned numbers, some of which int64 has not
  const auto told = [&](std::int64_t index) {  // as it came
    if (!py::isinstance<py::array>(x)) return std::string(py::str(x));
    return wide ? std::to_string(static_cast<std::uint64_t>(index)) : std::to_string(index);
  };
  if (py::isinstance<py::array>(x)) {
    auto array = py::reinterpret_borrow<py::array>(x);
    require_unmasked("x", array);
    const char kind = array.dtype().kind();
    if (kind == 'i' || kind == 'u') {
      if (I == 1) require_dtype<Scalar>("x", array);  // a feature: one index alone says nothing
      in.flat = array.ndim() == 0;
      if (!(in.flat && B == 1)) require_shape("x", array, {B});
      wide = kind == 'u' && array.itemsize() == sizeof(std::uint64_t);
      const py::array numbers = integers_of<std::int64_t>("x", array);
      const auto* const given = static_cast<const std::int64_t*>(numbers.data());
      indices_.assign(given, given + B);  // one beyond int64 is negative here
      in.indices = indices_.data();
    } else {
      require_dtype<Scalar>("x", array);
      in.flat = array.ndim() == 1;
      const bool fits = in.flat ? B == 1 && array.shape(0) == I
                                : array.ndim() == 2 && array.shape(0) == B && array.shape(1) == I;
      if (!fits) require_shape("x", array, {B, I});
      const bool readable = (array.flags() & py::array::c_style) && is_aligned(array);
      const py::array numbers = readable ? array : contiguous("x", array);
      in.held = numbers;
      in.values = static_cast<const Scalar*>(numbers.data());
      if (!all_finite(in.values, B * I)) throw_not_finite("x");
    }
  } else if (PyIndex_Check(x.ptr()) && !PyBool_Check(x.ptr()) && B == 1 && I > 1) {
    // One beyond 64 bits: the nearest.
    indices_.assign(1, PyNumber_AsSsize_t(x.ptr(), nullptr));
    if (indices_[0] == -1 && PyErr_Occurred()) throw py::error_already_set();
    in.indices = indices_.data();
    in.flat = true;
  } else {
    throw py::type_error("x: expected an array of " + text_of({B, I}) + " numbers or of " +
                         text_of({B}) + " indices, got " + std::string(Py_TYPE(x.ptr())->tp_name));
  }
  if (in.indices != nullptr)
    for (std::int64_t b = 0; b < B; ++b)
      if (in.indices[b] < 0 || in.indices[b] >= I)
        throw py::value_error("x: expected indices from 0 to " + std::to_string(I - 1) + ", got " +
                              told(in.indices[b]));
}

template <class Scalar>
void StreamHandle::advance(const StepInput<Scalar>& in, Scalar* y) {
  const PackedWeights& now = weights();
  // Steps take microseconds: releasing the GIL would cost more than it frees.
  tables<Scalar>(*now.table)
      .recurrent->stream_step(stream_, now.packed, in.values, in.indices, y,
                              may_share_ ? thread_count() : 1);
}

namespace {

// `out`, checked, to write `shape` to.
template <class Scalar>
py::array target_of(const py::object& out, const std::vector<std::int64_t>& shape) {
  if (!py::isinstance<py::array>(out))
    throw py::type_error("out: expected a NumPy array, got " +
                         std::string(Py_TYPE(out.ptr())->tp_name));
  auto target = py::reinterpret_borrow<py::array>(out);
  require_dtype<Scalar>("out", target, false);
  require_shape("out", target, shape);
  if (!(target.flags() & py::array::c_style) || !is_aligned(target) || !target.writeable())
    throw py::value_error("out: expected a writeable C-contiguous array, got another");
  return target;
}

template <class Scalar>
Scalar* numbers_of(const py::array& target) {
  return static_cast<Scalar*>(const_cast<void*>(target.data()));
}

}  // namespace

template <class Scalar>
py::object StreamHandle::typed_step(const py::handle& x, const py::object& out) {
  StepInput<Scalar> in;
  read(x, in);
  const std::int64_t P = layer_->shape().P;
  py::array target = in.flat ? output_flat_ : output_;
  if (!out.is_none())
    target = in.flat ? target_of<Scalar>(out, {P}) : target_of<Scalar>(out, {batch_size_, P});
  advance(in, numbers_of<Scalar>(target));
  return std::move(target);
}

py::object StreamHandle::step(const py::handle& x, const py::object& out) {
  require_idle();
  return layer_->is_double() ? typed_step<double>(x, out) : typed_step<float>(x, out);
}

StreamsHandle::StreamsHandle(std::vector<std::shared_ptr<StreamHandle>> streams)
    : streams_(std::move(streams)) {
  std::vector<std::shared_ptr<Recurrent>> networks;
  networks.reserve(streams_.size());
  for (const auto& stream : streams_) networks.push_back(stream->layer_);
  require_alike(networks);
  const std::int64_t N = count(), B = streams_.front()->batch_size_,
                     P = networks.front()->shape().P;
  for (const auto& stream : streams_)
    if (stream->batch_size_ != B)
      throw py::value_error("streams: expected all of one batch size, got others");
  require_memory("batch_size: streams of " + std::to_string(B) + " sequences",
                 bytes_of({N, B, P}, networks.front()->is_double() ? 8 : 4));
  with_scalar(networks.front()->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    output_ = new_array<Scalar>({N, B, P});
    output_flat_ = py::array(py::dtype::of<Scalar>(), {N, P}, output_.data(), output_);
  });
}

template <class Scalar>
py::object StreamsHandle::typed_step(const py::handle& x, const py::object& out) {
  const StreamHandle& first = *streams_.front();
  const std::int64_t N = count(), B = first.batch_size_, P = first.layer_->shape().P;
  // All are read before the first one takes its step.
  bool shared = true;
  if (py::isinstance<py::array>(x)) {
    const auto array = py::reinterpret_borrow<py::array>(x);
    const char kind = array.dtype().kind();
    shared = array.ndim() != (kind == 'i' || kind == 'u' ? 2 : 3);
    if (!shared && array.shape(0) != N)
      throw py::value_error("x: expected " + std::to_string(N) +
                            " on the first axis, one for each network, got shape " +
                            text_of(shape_of(array)));
  }
  std::vector<StepInput<Scalar>> in(shared ? 1 : N);
  for (std::int64_t n = 0; n < static_cast<std::int64_t>(in.size()); ++n) {
    const py::object own = shared ? py::reinterpret_borrow<py::object>(x)
                                  : py::object(py::reinterpret_borrow<py::object>(x)[py::int_(n)]);
    streams_[n]->read(own, in[n]);
  }
  const bool flat = in.front().flat;
  py::array target = flat ? output_flat_ : output_;
  if (!out.is_none())
    target = flat ? target_of<Scalar>(out, {N, P}) : target_of<Scalar>(out, {N, B, P});
  auto* const y = numbers_of<Scalar>(target);
  for (std::int64_t n = 0; n < N; ++n) streams_[n]->advance(in[shared ? 0 : n], y + n * B * P);
  return std::move(target);
}

py::object StreamsHandle::step(const py::handle& x, const py::object& out) {
  for (const auto& stream : streams_) stream->require_idle();
  return streams_.front()->layer_->is_double() ? typed_step<double>(x, out)
                                               : typed_step<float>(x, out);
}

py::tuple StreamHandle::state() const {
  require_idle();
  const StackShape& shape = layer_->shape();
  return with_scalar(layer_->is_double(), [&](auto scalar) -> py::tuple {
    using Scalar = decltype(scalar);
    auto h = new_array<Scalar>({shape.L, batch_size_, shape.P});
    auto c = new_array<Scalar>({shape.cell->has_memory() ? shape.L : 0, batch_size_, shape.H});
    tables<Scalar>(layer_->table())
        .recurrent->stream_get(stream_, h.mutable_data(), c.mutable_data());
    return py::make_tuple(h, c);
  });
}

void StreamHandle::set_state(const py::object& h, const py::object& c) {
  if (busy_in_ == fork_generation()) require_idle();
  const StackShape& shape = layer_->shape();
  with_scalar(layer_->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    Held held[2];
    const Scalar* data[2] = {nullptr, nullptr};
    const py::object* given[2] = {&h, &c};
    const char* names[2] = {"h", "c"};
    for (int i = 0; i < 2; ++i) {
      const std::int64_t width = i == 0 ? shape.P : shape.H;
      data[i] = optional_data<Scalar>(names[i], *given[i], {shape.L, batch_size_, width}, held[i]);
      if (data[i] != nullptr && !all_finite(data[i], held[i]->size())) throw_not_finite(names[i]);
    }
    tables<Scalar>(layer_->table()).recurrent->stream_set(stream_, data[0], data[1]);
    busy_in_ = -1;  // whatever a thread was doing when the process forked
  });
}

void bind_stream(py::module_& m) {
  py::class_<StreamHandle, std::shared_ptr<StreamHandle>>(m, "Stream")
      .def(py::init<std::shared_ptr<Recurrent>, std::int64_t>(), py::arg("layer"),
           py::arg("batch_size"))
      .def("step", &StreamHandle::step, py::arg("x"), py::arg("out") = py::none())
      .def("state", &StreamHandle::state)
      .def("set_state", &StreamHandle::set_state, py::arg("h"), py::arg("c"))
      .def_property_readonly("batch_size", &StreamHandle::batch_size);
  py::class_<StreamsHandle>(m, "Streams")
      .def(py::init<std::vector<std::shared_ptr<StreamHandle>>>(), py::arg("streams"))
      .def("step", &StreamsHandle::step, py::arg("x"), py::arg("out") = py::none());
}

}  // namespace rnnfast
