// Arrays as they come from Python: checked, never cast, never copied behind the caller's back.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace rnnfast {

namespace py = pybind11;

inline std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

inline std::vector<std::int64_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

// Throws TypeError for a masked array, whose masked numbers would be read as any others. Such types
// are subclasses of ndarray that have a mask.
inline void require_unmasked(const char* name, const py::handle& array) {
  PyTypeObject* const type = Py_TYPE(array.ptr());
  if (type == py::detail::npy_api::get().PyArray_Type_) return;
  if (PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), "mask") == 0) return;
  throw py::type_error(std::string(name) +
                       ": expected an array without a mask, got a masked one; " + name +
                       ".filled(number) says what stands where it is masked");
}

// "x: expected dtype float32, got float64; ..." unless `array` has exactly this element type. A
// cast cures what is only read.
template <class Scalar>
void require_dtype(const char* name, const py::array& array, bool is_input = true) {
  require_unmasked(name, array);
  if (py::isinstance<py::array_t<Scalar>>(array)) return;
  const std::string expected = py::str(py::dtype::of<Scalar>());
  std::string message = std::string(name) + ": expected dtype " + expected + ", got " +
                        std::string(py::str(array.dtype()));
  const char kind = array.dtype().kind();
  if (is_input && std::is_floating_point_v<Scalar> && (kind == 'f' || kind == 'i' || kind == 'u')) {
    message += "; use " + std::string(name) + ".astype(np." + expected + ")";
    if (py::isinstance<py::array_t<double>>(array)) message += ", or a layer of dtype=\"float64\"";
  }
  throw py::type_error(message);
}

inline void require_shape(const char* name, const py::array& array,
                          const std::vector<std::int64_t>& expected) {
  if (shape_of(array) == expected) return;
  throw py::value_error(std::string(name) + ": expected shape " + text_of(expected) + ", got " +
                        text_of(shape_of(array)));
}

// True if every axis counts whole elements and the innermost is contiguous.
inline bool rows_are_contiguous(const py::array& array) {
  const auto item = array.itemsize();
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis)
    if (array.strides(axis) % item != 0) return false;
  const auto last = array.ndim() - 1;
  return array.ndim() == 0 || array.shape(last) <= 1 || array.strides(last) == item;
}

// The array itself if `data` may be read row by row, else a contiguous copy of it.
inline py::array with_contiguous_rows(const py::array& array) {
  const bool aligned = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  if (aligned && rows_are_contiguous(array)) return array;
  return py::array::ensure(array, py::array::c_style);
}

// Calls f with a value of the scalar type.
template <class F>
auto with_scalar(bool is_double, const F& f) {
  return is_double ? f(double()) : f(float());
}

// float32 or float64, by the array that decides it.
template <class F>
auto with_scalar_of(const char* name, const py::array& array, const F& f) {
  require_unmasked(name, array);
  if (py::isinstance<py::array_t<double>>(array)) return f(double());
  require_dtype<float>(name, array);
  return f(float());
}

// The data of an optional array of this dtype and shape, C-contiguous; null for None. `held` keeps
// it alive.
template <class Scalar>
const Scalar* optional_data(const char* name, const py::object& given,
                            const std::vector<std::int64_t>& shape, py::array& held) {
  if (given.is_none()) return nullptr;
  const auto array = py::cast<py::array>(given);
  require_dtype<Scalar>(name, array);
  require_shape(name, array, shape);
  held = py::array::ensure(array, py::array::c_style);
  return static_cast<const Scalar*>(held.data());
}

// A new C-contiguous array, not initialised.
template <class Scalar>
py::array_t<Scalar> new_array(const std::vector<std::int64_t>& shape) {
  return py::array_t<Scalar>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

}  // namespace rnnfast
