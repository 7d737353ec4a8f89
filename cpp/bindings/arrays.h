// Arrays as they come from Python: checked, never cast. Numbers are read where they stand; what
// becomes an address or a bound is copied first, so that what was checked is what is used, whoever
// writes to the caller's array meanwhile.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bindings/array_memory.h"
#include "bindings/gil.h"
#include "bindings/memory.h"

namespace rnnfast {

namespace py = pybind11;

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

[[noreturn]] inline void throw_not_finite(const char* name) {
  throw py::value_error(std::string(name) + ": expected finite numbers, got NaN or infinity");
}

// True if every axis counts whole elements and the innermost is contiguous.
inline bool rows_are_contiguous(const py::array& array) {
  const auto item = array.itemsize();
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis)
    if (array.strides(axis) % item != 0) return false;
  const auto last = array.ndim() - 1;
  return array.ndim() == 0 || array.shape(last) <= 1 || array.strides(last) == item;
}

inline bool is_aligned(const py::array& array) {
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

namespace detail {

// The array itself, or a copy that is C-contiguous and aligned; of another dtype, if one is given.
inline py::array from_any(const char* name, const py::array& array, int flags,
                          std::optional<py::dtype> dtype = std::nullopt) {
  using Api = py::detail::npy_api;
  flags |= Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_ | Api::NPY_ARRAY_ENSUREARRAY_;
  PyObject* const descriptor = dtype ? dtype->release().ptr() : nullptr;
  PyObject* const found = or_stay([&] {  // NumPy lets go of the GIL as it copies
    return Api::get().PyArray_FromAny_(array.ptr(), descriptor, 0, 0, flags, nullptr);
  });
  if (found != nullptr) return py::reinterpret_steal<py::array>(found);
  if (!PyErr_ExceptionMatches(PyExc_MemoryError)) throw py::error_already_set();
  PyErr_Clear();
  double bytes = static_cast<double>(array.itemsize());
  for (const std::int64_t size : shape_of(array)) bytes *= static_cast<double>(size);
  throw_memory_error(std::string(name) + ": a contiguous copy needs " + text_of_bytes(bytes) +
                     ", more than there is");
}

}  // namespace detail

// The array itself if it is C-contiguous and aligned, else a copy that is.
inline py::array contiguous(const char* name, const py::array& array) {
  return detail::from_any(name, array, 0);
}

// A C-contiguous copy, as nobody else can write to it.
inline py::array copy_of(const char* name, const py::array& array) {
  constexpr int ensure_copy = 0x20;  // NPY_ARRAY_ENSURECOPY
  return detail::from_any(name, array, ensure_copy);
}

// The same of integers of any type, wrapped to this one.
template <class Integer>
py::array integers_of(const char* name, const py::array& array) {
  return detail::from_any(name, array, py::array::forcecast, py::dtype::of<Integer>());
}

// An array that is read without the GIL. NumPy moves no memory that has a weak reference, even if
// it is told not to look (`resize(refcheck=False)`).
class Held {
 public:
  Held() = default;
  explicit Held(py::array array) : array_(std::move(array)) {
    const py::object base = array_.base();
    const py::handle owner = base && py::isinstance<py::array>(base) ? py::handle(base) : array_;
    pin_ = py::reinterpret_steal<py::object>(PyWeakref_NewRef(owner.ptr(), nullptr));
    if (!pin_) throw py::error_already_set();
  }
  const py::array& operator*() const { return array_; }
  const py::array* operator->() const { return &array_; }
  template <class Scalar>
  const Scalar* data() const {
    return static_cast<const Scalar*>(array_.data());
  }

 private:
  py::array array_;
  py::object pin_;
};

// The array itself if `data` may be read row by row, else a contiguous copy of it.
inline py::array with_contiguous_rows(const char* name, const py::array& array) {
  return is_aligned(array) && rows_are_contiguous(array) ? array : contiguous(name, array);
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
// it alive. Integers and bools, which become addresses and bounds, are copied.
template <class Scalar>
const Scalar* optional_data(const char* name, const py::object& given,
                            const std::vector<std::int64_t>& shape, Held& held) {
  if (given.is_none()) return nullptr;
  const auto array = py::cast<py::array>(given);
  require_dtype<Scalar>(name, array);
  require_shape(name, array, shape);
  held = Held(std::is_integral_v<Scalar> ? copy_of(name, array) : contiguous(name, array));
  return held.data<Scalar>();
}

// A new C-contiguous array, not initialised.
template <class Scalar>
py::array_t<Scalar> new_array(const std::vector<std::int64_t>& shape) {
  return py::reinterpret_steal<py::array_t<Scalar>>(
      new_array("an array", py::dtype::of<Scalar>(), shape).release());
}

}  // namespace rnnfast
