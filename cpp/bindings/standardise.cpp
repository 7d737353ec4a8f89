#include "standardise.h"

#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/finite.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// A series, and where it is written.
struct Series {
  Held from;
  py::object to;
  void* numbers;
  bool (*apply)(const Standard& standard, Series& one);  // null, if this is none that can be read
  bool finite;
};

template <class From, class To>
bool apply(const Standard& standard, Series& one) {
  auto* const to = static_cast<To*>(one.numbers);
  standard.apply(one.from.data<From>(), one.from->shape(0), to);
  return all_finite(to, one.from->size());
}

template <class To>
auto apply_to(const py::object& item, std::int64_t size) -> decltype(Series::apply) {
  if (!py::isinstance<py::array>(item)) return nullptr;
  const auto array = py::reinterpret_borrow<py::array>(item);
  if (array.ndim() != 2 || array.shape(1) != size) return nullptr;
  if (py::isinstance<py::array_t<float>>(array)) return apply<float, To>;
  if (py::isinstance<py::array_t<double>>(array)) return apply<double, To>;
  return nullptr;
}

// For each of `arrays`, the series (T_i, F) as a network reads it, of `mean`'s and `scale`'s F
// features; None for what is no array of float32 or float64 with so many, or would not be finite.
py::list standardised(const py::list& arrays, const py::array& mean, const py::array& scale,
                      const py::dtype& dtype) {
  require_dtype<double>("mean", mean, false);
  require_dtype<double>("scale", scale, false);
  const auto size = static_cast<std::int64_t>(mean.size());
  require_shape("mean", mean, {size});
  require_shape("scale", scale, {size});
  const bool single = dtype.equal(py::dtype::of<float>());
  if (!single && !dtype.equal(py::dtype::of<double>()))
    throw py::type_error("dtype: expected float32 or float64, got " + std::string(py::str(dtype)));
  const py::array_t<double> means = contiguous("mean", mean), scales = contiguous("scale", scale);
  const Standard standard(means.data(), scales.data(), size);
  std::vector<Series> all;
  all.reserve(arrays.size());
  double numbers = 0;
  for (const py::handle item : arrays) {
    const auto object = py::reinterpret_borrow<py::object>(item);
    const auto apply = single ? apply_to<float>(object, size) : apply_to<double>(object, size);
    if (apply == nullptr) {
      all.push_back({{}, py::none(), nullptr, nullptr, true});
      continue;
    }
    py::array from = contiguous("sequences", py::reinterpret_borrow<py::array>(object));
    auto to = new_array("sequences: a standardised array", dtype, shape_of(from));
    void* const written = to.mutable_data();
    numbers += static_cast<double>(from.size());
    all.push_back({Held(std::move(from)), std::move(to), written, apply, true});
  }
  {
    const Unlocked others(numbers);
    for (Series& one : all)
      if (one.apply != nullptr) one.finite = one.apply(standard, one);
  }
  py::list found;
  for (Series& one : all) found.append(one.finite ? std::move(one.to) : py::none());
  return found;
}

}  // namespace

void bind_standardise(py::module_& m) {
  m.def("standardised", standardised, py::arg("arrays"), py::arg("mean"), py::arg("scale"),
        py::arg("dtype"));
}

}  // namespace rnnfast
