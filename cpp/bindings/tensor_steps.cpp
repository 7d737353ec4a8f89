#include "bindings/tensor_steps.h"

#include <algorithm>
#include <memory>

#include "bindings/finite.h"
#include "bindings/ready_calls.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// Multiplications of a pass that keeps the GIL, some 0.1 ms of one thread; and of one below which
// one thread does it: asking how many there may be would take a fair part.
constexpr double kShort = 1 << 21, kAlone = 1 << 16;

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

// Where weights stand; none if one is not as it has to be.
template <class Scalar>
std::vector<std::uintptr_t> addresses_of(const Recurrent& self, const TensorAccess& access,
                                         const std::vector<py::object>& weights,
                                         std::vector<py::object>* kept) {
  const auto& shapes = self.parameter_shapes();
  if (weights.size() != shapes.size()) return {};
  std::vector<std::uintptr_t> addresses(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    dlpack::Tensor tensor;
    if (!access.view<Scalar>(weights[i], &tensor, kept) || !fits(tensor, shapes[i])) return {};
    addresses[i] = reinterpret_cast<std::uintptr_t>(dlpack::numbers<Scalar>(tensor));
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
                                               bool backward, int threads) {
  try {
    return self.weights_at(addresses, backward, threads);
  } catch (const py::value_error&) {
    return nullptr;
  }
}

template <class Scalar>
py::object typed_step(Recurrent& self, const TensorAccess& access, const GivenWeights& weights,
                      const py::handle& x, const py::handle& hx, TensorCall call) {
  const auto [batch_first, cell, only_one, threads_of] = call;
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
  if (only_one && (T != 1 || B != 1)) return py::none();
  const bool direct = weights.packed == nullptr && T == 1 && B == 1 && table.steps_directly(shape);
  const double work =
      static_cast<double>(T) * static_cast<double>(B) * static_cast<double>(self.size());
  const bool is_short = work <= kShort;
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
    if (!access.view<Scalar>(object, &tensor, kept) || !fits(tensor, expected)) return false;
    *data = dlpack::numbers<Scalar>(tensor);
    std::int64_t count = 1;
    for (const std::int64_t size : expected) count *= size;
    return all_finite(*data, count);
  };
  if (!state(states[0], h0, h_shape, &in.h0) || !state(states[1], c0, c_shape, &in.c0))
    return py::none();
  in.T = T;
  in.B = B;
  in.x = dlpack::numbers<Scalar>(given);
  in.x_time = time < 0 ? 0 : given.strides[time];
  in.x_batch = batch < 0 ? 0 : given.strides[batch];

  const int threads = work < kAlone ? 1 : py::cast<int>(threads_of());
  auto packed = weights.packed;
  std::vector<std::uintptr_t> addresses;
  if (packed != nullptr) {
    self.require_fitting(*packed, false);
  } else {
    addresses = addresses_of<Scalar>(self, access, weights.tensors, kept);
    if (addresses.empty()) return py::none();
    if (!direct) {
      packed = packed_at(self, addresses, false, threads);
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
  bool finite = false;
  {
    const Unlocked others(is_short ? 0 : work);
    if (direct) {
      const auto parameters = parameters_at<Scalar>(self, addresses);
      status = table.direct_step(shape, parameters.data(), in.x, in.h0, in.c0, out.h_n, out.c_n,
                                 thread_count(threads));
      std::copy_n(out.h_n + (rows - shape.D) * shape.H, width, out.y);
    } else {
      status = table.forward(packed->packed, in, out, Dropout{}, nullptr, thread_count(threads));
    }
    if (status == Status::ok)
      finite = all_finite(out.y, T * B * width) && all_finite(out.h_n, rows * B * shape.P) &&
               (!memory || all_finite(out.c_n, rows * B * shape.memory()));
  }
  if (status != Status::not_finite) require_ok(status);
  if (!finite) return py::none();
  const py::object final = memory ? py::object(py::make_tuple(h_n, c_n)) : h_n;
  return cell ? final : py::object(py::make_tuple(y, final));
}

}  // namespace

std::vector<py::object> tensors_of(const py::list& list) {
  std::vector<py::object> tensors;
  tensors.reserve(list.size());
  for (const auto& tensor : list) tensors.push_back(py::reinterpret_borrow<py::object>(tensor));
  return tensors;
}

py::object step_on_tensors(Recurrent& self, const TensorAccess& access, const GivenWeights& weights,
                           const py::handle& x, const py::handle& hx, TensorCall call) {
  return with_scalar(self.is_double(), [&](auto scalar) {
    return typed_step<decltype(scalar)>(self, access, weights, x, hx, call);
  });
}

void bind_tensor_steps(py::module_& m) {
  py::class_<TensorAccess>(m, "TensorAccess")
      .def(py::init<const py::capsule&, const py::tuple&>(), py::arg("api"), py::arg("kinds"));
  m.def(
      "step_on_tensors",
      [](Recurrent& self, const TensorAccess& access, const py::object& weights,
         const py::handle& x, const py::handle& hx, bool batch_first, bool cell,
         const py::object& threads) {
        GivenWeights given;
        if (PyList_CheckExact(weights.ptr()))
          given.tensors = tensors_of(weights);
        else
          given.packed = py::cast<std::shared_ptr<PackedWeights>>(weights);
        return step_on_tensors(self, access, given, x, hx, {batch_first, cell, false, threads});
      },
      py::arg("network"), py::arg("access"), py::arg("weights"), py::arg("x"), py::arg("hx"),
      py::arg("batch_first"), py::arg("cell"), py::arg("threads"));
  m.def(
      "weights_of_tensors",
      [](Recurrent& self, const TensorAccess& access, const py::list& weights, bool backward,
         int threads) {
        return with_scalar(self.is_double(), [&](auto scalar) {
          const auto tensors = tensors_of(weights);
          const auto addresses = addresses_of<decltype(scalar)>(self, access, tensors, nullptr);
          return std::const_pointer_cast<PackedWeights>(
              addresses.empty() ? nullptr : packed_at(self, addresses, backward, threads));
        });
      },
      py::arg("network"), py::arg("access"), py::arg("weights"), py::arg("backward"),
      py::arg("threads"));
  bind_ready_calls(m);
}

}  // namespace rnnfast
