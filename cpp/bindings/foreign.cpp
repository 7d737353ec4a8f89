// Memory of another library's arrays, for callers that answer for it.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/finite.h"
#include "bindings/module.h"

namespace rnnfast {

namespace {

// An array over memory that `owner` keeps. Strides count elements.
template <class Scalar>
py::array array_at(std::uintptr_t address, const std::vector<py::ssize_t>& shape,
                   std::vector<py::ssize_t> strides, const py::object& owner) {
  if (address == 0 || shape.size() != strides.size())
    throw py::value_error("address: expected memory, and as many strides as axes, got others");
  for (auto& stride : strides) stride *= static_cast<py::ssize_t>(sizeof(Scalar));
  return py::array(py::dtype::of<Scalar>(), shape, std::move(strides),
                   reinterpret_cast<const void*>(address), owner);
}

bool all_finite_in(const py::args& arrays) {
  for (const auto& each : arrays) {
    const auto array = py::cast<py::array>(each);
    if (!(array.flags() & py::array::c_style))
      throw py::value_error("arrays: expected C-contiguous arrays, got strides");
    if (!with_scalar_of("arrays", array, [&](auto scalar) {
          return all_finite(static_cast<const decltype(scalar)*>(array.data()), array.size());
        }))
      return false;
  }
  return true;
}

}  // namespace

void bind_foreign(py::module_& m) {
  m.def("all_finite", &all_finite_in);
  m.def(
      "array_at",
      [](std::uintptr_t address, const std::vector<py::ssize_t>& shape,
         const std::vector<py::ssize_t>& strides, bool is_double, const py::object& owner) {
        return with_scalar(is_double, [&](auto scalar) {
          return array_at<decltype(scalar)>(address, shape, strides, owner);
        });
      },
      py::arg("address"), py::arg("shape"), py::arg("strides"), py::arg("is_double"),
      py::arg("owner"));
}

}  // namespace rnnfast
