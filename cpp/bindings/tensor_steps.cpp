#include "bindings/tensor_steps.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "bindings/finite.h"

namespace rnnfast {

namespace {

// Multiplications of a pass that keeps the GIL, some 0.1 ms of one thread.
constexpr double kShort = 1 << 21;
constexpr std::size_t kAlignment = 64;

// A tensor with its sizes and memory behind it, in one block.
struct Block {
  dlpack::ManagedTensor managed;
  std::int64_t shape[3], strides[3];
};
constexpr std::size_t kHead = (sizeof(Block) + kAlignment - 1) / kAlignment * kAlignment;

template <class Scalar>
bool fits(const dlpack::Tensor& tensor, const std::vector<std::int64_t>& shape) {
  if (tensor.ndim != static_cast<std::int32_t>(shape.size())) return false;
  std::int64_t stride = 1;
  for (int axis = tensor.ndim - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] != shape[axis]) return false;
    if (shape[axis] != 1 && tensor.strides[axis] != stride) return false;
    stride *= shape[axis];
  }
  return true;
}

template <class Scalar>
const Scalar* numbers(const dlpack::Tensor& tensor) {
  return reinterpret_cast<const Scalar*>(static_cast<const char*>(tensor.data) +
                                         tensor.byte_offset);
}

// h0 and c0 of what a caller gives: nothing, a tensor, or a pair; false if it is something else.
bool split(const py::handle& hx, bool pair, py::handle states[2]) {
  if (hx.is_none()) return true;
  if (!pair) {
    states[0] = hx;
    return true;
  }
  if (PyTuple_CheckExact(hx.ptr()) && PyTuple_GET_SIZE(hx.ptr()) == 2) {
    for (int i = 0; i < 2; ++i) states[i] = PyTuple_GET_ITEM(hx.ptr(), i);
    return true;
  }
  return false;
}

// Where the weights of a list stand; none if one is not as it has to be.
template <class Scalar>
std::vector<std::uintptr_t> addresses_of(const Recurrent& self, const TensorAccess& access,
                                         const py::handle& weights, std::vector<py::object>* kept) {
  const auto& shapes = self.parameter_shapes();
  if (PyList_GET_SIZE(weights.ptr()) != static_cast<Py_ssize_t>(shapes.size())) return {};
  std::vector<std::uintptr_t> addresses(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    // Held: looking at it calls into Python.
    const auto weight = py::reinterpret_borrow<py::object>(
        PyList_GET_ITEM(weights.ptr(), static_cast<Py_ssize_t>(i)));
    dlpack::Tensor tensor;
    if (!access.view<Scalar>(weight, &tensor, kept) || !fits<Scalar>(tensor, shapes[i])) return {};
    addresses[i] = reinterpret_cast<std::uintptr_t>(numbers<Scalar>(tensor));
  }
  return addresses;
}

// The same as the kernels take them.
template <class Scalar>
std::vector<LayerParameters<const Scalar*>> parameters_at(
    const Recurrent& self, const std::vector<std::uintptr_t>& addresses) {
  const StackShape& shape = self.shape();
  std::vector<LayerParameters<const Scalar*>> result;
  auto next = addresses.begin();
  const auto take = [&] { return reinterpret_cast<const Scalar*>(*next++); };
  for (int i = 0; i < shape.L * shape.D; ++i) {
    LayerParameters<const Scalar*> layer = {};
    layer.w_ih = take();
    layer.w_hh = take();
    if (shape.bias) {
      layer.b_ih = take();
      layer.b_hh = take();
    }
    result.push_back(layer);
  }
  return result;
}

// The weights in the kernels' order; null if they are not finite.
std::shared_ptr<const PackedWeights> packed_at(Recurrent& self,
                                               const std::vector<std::uintptr_t>& addresses,
                                               int threads) {
  try {
    return self.weights_at(addresses, false, threads);
  } catch (const py::value_error&) {
    return nullptr;
  }
}

template <class Scalar>
py::object typed_step(Recurrent& self, const TensorAccess& access, const py::handle& weights,
                      const py::handle& x, const py::handle& hx, bool batch_first, bool cell,
                      int threads) {
  const StackShape& shape = self.shape();
  dlpack::Tensor given;
  if (!access.view<Scalar>(x, &given)) return py::none();
  const int most = cell ? 2 : 3;
  if (given.ndim != most && given.ndim != most - 1) return py::none();
  const bool one = given.ndim == most - 1;  // a sequence by itself
  const int time = cell ? -1 : one ? 0 : batch_first ? 1 : 0;
  const int batch = one ? -1 : cell ? 0 : 1 - time;
  const std::int64_t T = time < 0 ? 1 : given.shape[time], B = batch < 0 ? 1 : given.shape[batch];
  const std::int64_t last = given.ndim - 1;
  if (T == 0 || B == 0 || shape.I == 0 || given.shape[last] != shape.I ||
      (shape.I > 1 && given.strides[last] != 1))
    return py::none();
  const RecurrentTable<Scalar>& table = *tables<Scalar>(self.table()).recurrent;
  const bool held = !PyList_CheckExact(weights.ptr());
  const bool direct = !held && T == 1 && B == 1 && table.steps_directly(shape);
  const bool is_short =
      static_cast<double>(T) * static_cast<double>(B) * static_cast<double>(self.size()) <= kShort;
  if (!is_short && !direct) return py::none();
  std::vector<py::object> keeping;
  auto* const kept = is_short ? nullptr : &keeping;  // then other threads run meanwhile
  if (kept != nullptr) {
    const auto ndim = given.ndim;
    if (!access.view<Scalar>(x, &given, kept) || given.ndim != ndim ||
        given.shape[last] != shape.I || (shape.I > 1 && given.strides[last] != 1))
      return py::none();
  }

  const std::int64_t rows = std::int64_t(shape.L) * shape.D;
  const auto sized = [&](std::int64_t width) {
    std::vector<std::int64_t> sizes;
    if (!cell) sizes.push_back(rows);
    if (!one) sizes.push_back(B);
    sizes.push_back(width);
    return sizes;
  };
  const auto h_shape = sized(shape.P), c_shape = sized(shape.memory());
  const bool memory = shape.cell->has_memory();
  py::handle states[2];
  if (!split(hx, memory, states)) return py::none();
  dlpack::Tensor h0, c0;
  SequenceInput<Scalar> in = {};
  const auto state = [&](const py::handle& object, dlpack::Tensor& tensor,
                         const std::vector<std::int64_t>& expected, const Scalar** data) {
    if (!object) return true;
    if (!access.view<Scalar>(object, &tensor, kept) || !fits<Scalar>(tensor, expected))
      return false;
    *data = numbers<Scalar>(tensor);
    std::int64_t count = 1;
    for (const std::int64_t size : expected) count *= size;
    return all_finite(*data, count);
  };
  if (!state(states[0], h0, h_shape, &in.h0) || !state(states[1], c0, c_shape, &in.c0))
    return py::none();
  in.T = T;
  in.B = B;
  in.x = numbers<Scalar>(given);
  in.x_time = time < 0 ? 0 : given.strides[time];
  in.x_batch = batch < 0 ? 0 : given.strides[batch];

  std::shared_ptr<const PackedWeights> packed;
  std::vector<std::uintptr_t> addresses;
  if (held) {
    packed = py::cast<std::shared_ptr<PackedWeights>>(weights);
    self.require_fitting(*packed, false);
  } else {
    addresses = addresses_of<Scalar>(self, access, weights, kept);
    if (addresses.empty()) return py::none();
    if (!direct) {
      packed = packed_at(self, addresses, threads);
      if (packed == nullptr) return py::none();
    }
  }

  const std::int64_t width = shape.D * shape.P;
  SequenceOutput<Scalar> out = {};
  py::object y, h_n, c_n = py::none();
  std::unique_ptr<Scalar[]> of_cell;
  if (cell) {
    of_cell = std::make_unique<Scalar[]>(static_cast<std::size_t>(B * width));
    out.y = of_cell.get();
  } else {
    y = access.make<Scalar>(one           ? std::vector<std::int64_t>{T, width}
                            : batch_first ? std::vector<std::int64_t>{B, T, width}
                                          : std::vector<std::int64_t>{T, B, width},
                            &out.y);
  }
  out.y_time = batch_first && !one && !cell ? width : B * width;
  out.y_batch = batch_first && !one && !cell ? T * width : width;
  h_n = access.make<Scalar>(h_shape, &out.h_n);
  if (memory) c_n = access.make<Scalar>(c_shape, &out.c_n);
  Status status;
  if (direct) {
    const auto parameters = parameters_at<Scalar>(self, addresses);
    std::optional<py::gil_scoped_release> release;
    if (!is_short) release.emplace();
    status = table.direct_step(shape, parameters.data(), in.x, in.h0, in.c0, out.h_n, out.c_n,
                               thread_count(threads));
    std::copy_n(out.h_n + (rows - shape.D) * shape.H, width, out.y);
  } else {
    status = table.forward(packed->packed, in, out, Dropout{}, nullptr, thread_count(threads));
  }
  if (status == Status::not_finite) return py::none();
  require_ok(status);
  if (!all_finite(out.y, T * B * width) || !all_finite(out.h_n, rows * B * shape.P) ||
      (memory && !all_finite(out.c_n, rows * B * shape.memory())))
    return py::none();
  const py::object final = memory ? py::object(py::make_tuple(h_n, c_n)) : h_n;
  return cell ? final : py::object(py::make_tuple(y, final));
}

}  // namespace

TensorAccess::TensorAccess(const py::capsule& api, const py::tuple& kinds)
    : kinds_(kinds), is_neg_("is_neg"), detach_("detach") {
  if (api.name() == nullptr || std::string(api.name()) != dlpack::kCapsule)
    throw py::type_error("api: expected functions of DLPack, got another capsule");
  api_ = api.get_pointer<const dlpack::ExchangeApi>();
  while (api_ != nullptr && api_->version.major != dlpack::kMajor) api_ = api_->previous;
  if (api_ == nullptr || api_->view_of == nullptr)
    throw py::value_error("api: expected functions of DLPack 1 that show tensors, got others");
}

template <class Scalar>
bool TensorAccess::view(const py::handle& given, dlpack::Tensor* out,
                        std::vector<py::object>* kept) const {
  py::handle object = given;
  const auto* const kind = reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()));
  bool known = false;
  for (const auto& each : kinds_) known = known || each.ptr() == kind;
  if (!known) return false;
  if (kept != nullptr) {
    auto held =
        py::reinterpret_steal<py::object>(PyObject_CallMethodNoArgs(object.ptr(), detach_.ptr()));
    if (!held) throw py::error_already_set();
    object = kept->emplace_back(std::move(held));
  }
  if (api_->view_of(object.ptr(), out) != 0) {
    PyErr_Clear();
    return false;
  }
  if (out->device_type != dlpack::kCpu || out->code != dlpack::kFloat ||
      out->bits != 8 * sizeof(Scalar) || out->lanes != 1 || out->data == nullptr ||
      reinterpret_cast<std::uintptr_t>(numbers<Scalar>(*out)) % alignof(Scalar) != 0)
    return false;
  const auto negated =
      py::reinterpret_steal<py::object>(PyObject_CallMethodNoArgs(object.ptr(), is_neg_.ptr()));
  if (!negated) throw py::error_already_set();
  return negated.ptr() == Py_False;
}

template <class Scalar>
py::object TensorAccess::make(const std::vector<std::int64_t>& shape, Scalar** data) const {
  std::size_t bytes = sizeof(Scalar);
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* const memory =
      static_cast<char*>(::operator new(kHead + bytes, std::align_val_t{kAlignment}));
  auto* const block = new (memory) Block{};
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
    block->shape[axis] = shape[axis];
    block->strides[axis] = stride;
  }
  block->managed.version = {dlpack::kMajor, dlpack::kMinor};
  block->managed.owner = block;
  block->managed.deleter = [](dlpack::ManagedTensor* self) {
    ::operator delete(self->owner, std::align_val_t{kAlignment});
  };
  block->managed.tensor = {memory + kHead,
                           dlpack::kCpu,
                           0,
                           static_cast<std::int32_t>(shape.size()),
                           dlpack::kFloat,
                           8 * sizeof(Scalar),
                           1,
                           block->shape,
                           block->strides,
                           0};
  void* object = nullptr;
  if (api_->object_of(&block->managed, &object) != 0) throw py::error_already_set();
  *data = reinterpret_cast<Scalar*>(memory + kHead);
  return py::reinterpret_steal<py::object>(static_cast<PyObject*>(object));
}

py::object step_on_tensors(Recurrent& self, const TensorAccess& access, const py::handle& weights,
                           const py::handle& x, const py::handle& hx, bool batch_first, bool cell,
                           int threads) {
  return with_scalar(self.is_double(), [&](auto scalar) {
    return typed_step<decltype(scalar)>(self, access, weights, x, hx, batch_first, cell, threads);
  });
}

void bind_tensor_steps(py::module_& m) {
  py::class_<TensorAccess>(m, "TensorAccess")
      .def(py::init<const py::capsule&, const py::tuple&>(), py::arg("api"), py::arg("kinds"));
  m.def("step_on_tensors", &step_on_tensors, py::arg("network"), py::arg("access"),
        py::arg("weights"), py::arg("x"), py::arg("hx"), py::arg("batch_first"), py::arg("cell"),
        py::arg("threads"));
}

}  // namespace rnnfast
