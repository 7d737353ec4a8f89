#include "bindings/losses.h"

#include "bindings/linear.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

template <class Scalar>
py::tuple cross_entropy(const py::array& given, const TargetArrays& targets, bool backward) {
  if (given.ndim() != 2 || given.shape(1) < 1)
    throw py::value_error("logits: expected shape (R, V), got " + text_of(shape_of(given)));
  const std::int64_t V = given.shape(1);
  const RowArray<Scalar> logits("logits", given, V);
  const CheckedTargets<Scalar> checked(targets, logits.R, V);
  py::object dlogits = py::none();
  Scalar* to = nullptr;
  if (backward) {
    auto array = new_array<Scalar>({logits.R, V});
    to = array.mutable_data();
    dlogits = array;
  }
  const auto& losses = *tables<Scalar>(kernels()).losses;
  const int threads = thread_count();
  double loss = 0;
  Status status;
  {
    const Unlocked others(logits.R, V, 16);
    status = losses.cross_entropy(logits.R, V, logits.matrix, checked.targets, &loss, to, threads);
  }
  require_ok(status);
  return py::make_tuple(loss, dlogits);
}

template <class Scalar>
py::array softmax(const py::array& given, bool logarithm) {
  if (given.ndim() != 2 || given.shape(1) < 1)
    throw py::value_error("x: expected shape (R, V), got " + text_of(shape_of(given)));
  const std::int64_t V = given.shape(1);
  const RowArray<Scalar> x("x", given, V);
  auto y = new_array<Scalar>({x.R, V});
  Scalar* const to = y.mutable_data();
  const auto& losses = *tables<Scalar>(kernels()).losses;
  const int threads = thread_count();
  Status status;
  {
    const Unlocked others(x.R, V, 16);
    status = losses.softmax(x.R, V, x.matrix, logarithm, to, threads);
  }
  if (status == Status::not_finite) {
    PyErr_SetString(PyExc_FloatingPointError,
                    "x: expected finite numbers or minus infinity, some finite in each row, got "
                    "others");
    throw py::error_already_set();
  }
  return std::move(y);
}

// What losses of numbers one by one share: x and targets of one shape, C-contiguous, and weights.
template <class Scalar>
struct Elements {
  Held held[3];
  const Scalar *x, *targets, *weights;
  std::vector<std::int64_t> shape;
  std::int64_t n;

  Elements(const char* name, const py::array& given, const py::array& targets_given,
           const py::object& weights_given)
      : shape(shape_of(given)), n(given.size()) {
    x = optional_data<Scalar>(name, given, shape, held[0]);
    targets = optional_data<Scalar>("targets", targets_given, shape, held[1]);
    weights = optional_data<Scalar>("weights", weights_given, shape, held[2]);
  }
};

// Calls kernel(loss, gradient or null) without the GIL; returns the loss and the gradient or None.
template <class Scalar, class Kernel>
py::tuple loss_and_gradient(const Elements<Scalar>& elements, bool backward, const Kernel& kernel) {
  py::object gradient = py::none();
  Scalar* to = nullptr;
  if (backward) {
    auto array = new_array<Scalar>(elements.shape);
    to = array.mutable_data();
    gradient = array;
  }
  double loss = 0;
  Status status;
  {
    const Released release;
    status = kernel(&loss, to);
  }
  require_ok(status);
  return py::make_tuple(loss, gradient);
}

template <class Scalar>
py::tuple binary_cross_entropy(const py::array& logits, const py::array& targets,
                               const py::object& weights, const py::object& positive_weights,
                               double scale, bool backward) {
  const Elements<Scalar> e("logits", logits, targets, weights);
  const std::int64_t columns = e.shape.empty() ? 1 : e.shape.back();
  Held held;
  const Scalar* positive = optional_data<Scalar>("pos_weight", positive_weights, {columns}, held);
  const auto& losses = *tables<Scalar>(kernels()).losses;
  const int threads = thread_count();
  return loss_and_gradient(e, backward, [&](double* loss, Scalar* to) {
    return losses.binary_cross_entropy(e.n, e.x, e.targets, e.weights, positive, columns, scale,
                                       loss, to, threads);
  });
}

template <class Scalar>
py::tuple squared_error(const py::array& x, const py::array& targets, const py::object& weights,
                        double scale, bool backward) {
  const Elements<Scalar> e("predictions", x, targets, weights);
  const auto& losses = *tables<Scalar>(kernels()).losses;
  const int threads = thread_count();
  return loss_and_gradient(e, backward, [&](double* loss, Scalar* to) {
    return losses.squared_error(e.n, e.x, e.targets, e.weights, scale, loss, to, threads);
  });
}

template <class Scalar>
bool is_finite(const char* name, const py::array& given) {
  // An axis of stride 0 says the same over and over.
  std::vector<py::ssize_t> shape(given.shape(), given.shape() + given.ndim());
  std::vector<py::ssize_t> strides(given.strides(), given.strides() + given.ndim());
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (strides[axis] == 0 && shape[axis] > 1) shape[axis] = 1;
  const py::array rows =
      with_contiguous_rows(name, py::array(given.dtype(), shape, strides, given.data(), given));
  // Axes before the last one that lie one behind the other, as in most arrays, are one.
  const bool flat = (rows.flags() & py::array::c_style) != 0;
  const Held x(flat || rows.ndim() <= 2 ? rows : contiguous(name, rows));
  const std::int64_t n = x->ndim(), columns = n == 0 ? 1 : x->shape(n - 1),
                     R = columns == 0 ? 0 : x->size() / columns;
  const std::int64_t stride =
      n == 2 ? x->strides(0) / static_cast<std::int64_t>(sizeof(Scalar)) : columns;
  const auto& elements = *tables<Scalar>(kernels()).elements;
  const int threads = thread_count();
  const Unlocked others(R, columns);
  return elements.all_finite(R, columns, {x.data<Scalar>(), stride}, threads);
}

// For tests: the functions of a gate as the kernels compute them.
template <class Scalar>
py::array activation(const std::string& name, const py::array& given) {
  Activation which;
  if (name == "exp_nonpositive")
    which = Activation::exp_nonpositive;
  else if (name == "sigmoid")
    which = Activation::sigmoid;
  else if (name == "tanh")
    which = Activation::tanh;
  else
    throw py::value_error("name: expected exp_nonpositive, sigmoid or tanh, got " + name);
  const Held x(contiguous("x", given));
  auto y = new_array<Scalar>(shape_of(*x));
  tables<Scalar>(kernels()).elements->activation(which, y.size(), x.data<Scalar>(),
                                                 y.mutable_data());
  return std::move(y);
}

}  // namespace

void bind_losses(py::module_& m) {
  py::class_<TargetArrays>(m, "Targets")
      .def(py::init([](py::array classes, py::object weights, py::object class_weights,
                       std::int64_t ignore_index, double smoothing, double scale) {
             return TargetArrays{std::move(classes), std::move(weights), std::move(class_weights),
                                 ignore_index,       smoothing,          scale};
           }),
           py::arg("classes"), py::arg("weights"), py::arg("class_weights"),
           py::arg("ignore_index"), py::arg("smoothing"), py::arg("scale"));
  m.def(
      "cross_entropy",
      [](const py::array& logits, const TargetArrays& targets, bool backward) {
        return with_scalar_of("logits", logits, [&](auto scalar) {
          return cross_entropy<decltype(scalar)>(logits, targets, backward);
        });
      },
      py::arg("logits"), py::arg("targets"), py::arg("backward"));
  m.def(
      "softmax",
      [](const py::array& x, bool logarithm) {
        return with_scalar_of("x", x,
                              [&](auto scalar) { return softmax<decltype(scalar)>(x, logarithm); });
      },
      py::arg("x"), py::arg("logarithm"));
  m.def(
      "binary_cross_entropy",
      [](const py::array& logits, const py::array& targets, const py::object& weights,
         const py::object& pos_weight, double scale, bool backward) {
        return with_scalar_of("logits", logits, [&](auto scalar) {
          return binary_cross_entropy<decltype(scalar)>(logits, targets, weights, pos_weight, scale,
                                                        backward);
        });
      },
      py::arg("logits"), py::arg("targets"), py::arg("weights"), py::arg("pos_weight"),
      py::arg("scale"), py::arg("backward"));
  m.def(
      "squared_error",
      [](const py::array& x, const py::array& targets, const py::object& weights, double scale,
         bool backward) {
        return with_scalar_of("predictions", x, [&](auto scalar) {
          return squared_error<decltype(scalar)>(x, targets, weights, scale, backward);
        });
      },
      py::arg("x"), py::arg("targets"), py::arg("weights"), py::arg("scale"), py::arg("backward"));
  m.def(
      "is_finite",
      [](const char* name, const py::array& x) {
        return with_scalar_of(name, x,
                              [&](auto scalar) { return is_finite<decltype(scalar)>(name, x); });
      },
      py::arg("name"), py::arg("array"));
  m.def(
      "activation",
      [](const std::string& name, const py::array& x) {
        return with_scalar_of("x", x,
                              [&](auto scalar) { return activation<decltype(scalar)>(name, x); });
      },
      py::arg("name"), py::arg("x"));
}

}  // namespace rnnfast
