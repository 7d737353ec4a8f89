#include "bindings/step_arguments.h"

#include <string>

#include "bindings/finite.h"

namespace rnnfast {

namespace {

// As it came: `wide` are 64 bits without a sign.
std::string told_integer(std::int64_t number, bool wide) {
  return wide ? std::to_string(static_cast<std::uint64_t>(number)) : std::to_string(number);
}

}  // namespace

template <class Scalar>
void read_step(const py::handle& x, std::int64_t B, std::int64_t I,
               std::vector<std::int64_t>& indices, StepInput<Scalar>& in) {
  bool wide = false;                           // unsigned numbers, some of which int64 has not
  const auto told = [&](std::int64_t index) {  // as it came
    return py::isinstance<py::array>(x) ? told_integer(index, wide) : std::string(py::str(x));
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
      indices.assign(given, given + B);  // one beyond int64 is negative here
      in.indices = indices.data();
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
    indices.assign(1, PyNumber_AsSsize_t(x.ptr(), nullptr));
    if (indices[0] == -1 && PyErr_Occurred()) throw py::error_already_set();
    in.indices = indices.data();
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

namespace {

void require_at_most(std::int64_t count, std::int64_t B) {
  if (count > B)
    throw py::value_error("rows: expected at most " + std::to_string(B) + ", each once, got more");
}

}  // namespace

std::vector<std::int64_t> read_rows(const py::handle& rows, std::int64_t B) {
  std::vector<std::int64_t> chosen;
  bool wide = false;  // as above
  if (py::isinstance<py::array>(rows)) {
    const auto array = py::reinterpret_borrow<py::array>(rows);
    require_unmasked("rows", array);
    const char kind = array.dtype().kind();
    if (kind != 'i' && kind != 'u' && array.size() > 0)
      throw py::type_error("rows: expected integers, got dtype " +
                           std::string(py::str(array.dtype())) +
                           (kind == 'b' ? "; np.flatnonzero(rows) are those of a mask" : ""));
    if (array.ndim() != 1)
      throw py::value_error("rows: expected shape (n,), got " + text_of(shape_of(array)));
    require_at_most(array.size(), B);
    wide = kind == 'u' && array.itemsize() == sizeof(std::uint64_t);
    const py::array numbers = integers_of<std::int64_t>("rows", array);
    const auto* const given = static_cast<const std::int64_t*>(numbers.data());
    chosen.assign(given, given + numbers.size());  // one beyond int64 is negative here
  } else if (PyList_Check(rows.ptr()) || PyTuple_Check(rows.ptr()) || PyRange_Check(rows.ptr())) {
    for (const py::handle row : rows) {
      if (!PyIndex_Check(row.ptr()) || PyBool_Check(row.ptr()))
        throw py::type_error("rows: expected integers, got " +
                             std::string(Py_TYPE(row.ptr())->tp_name));
      chosen.push_back(PyNumber_AsSsize_t(row.ptr(), nullptr));  // beyond 64 bits: the nearest
      if (chosen.back() == -1 && PyErr_Occurred()) throw py::error_already_set();
      if (static_cast<std::int64_t>(chosen.size()) > B) break;
    }
    require_at_most(static_cast<std::int64_t>(chosen.size()), B);
  } else {
    throw py::type_error("rows: expected a list or an array of integers, got " +
                         std::string(Py_TYPE(rows.ptr())->tp_name));
  }
  std::vector<bool> seen(static_cast<std::size_t>(B));
  for (const std::int64_t row : chosen) {
    if (row < 0 || row >= B)
      throw py::value_error("rows: expected numbers from 0 to " + std::to_string(B - 1) + ", got " +
                            told_integer(row, wide));
    if (seen[row])
      throw py::value_error("rows: expected each once, got " + std::to_string(row) + " again");
    seen[row] = true;
  }
  return chosen;
}

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

template void read_step(const py::handle&, std::int64_t, std::int64_t, std::vector<std::int64_t>&,
                        StepInput<float>&);
template void read_step(const py::handle&, std::int64_t, std::int64_t, std::vector<std::int64_t>&,
                        StepInput<double>&);
template py::array target_of<float>(const py::object&, const std::vector<std::int64_t>&);
template py::array target_of<double>(const py::object&, const std::vector<std::int64_t>&);

}  // namespace rnnfast
