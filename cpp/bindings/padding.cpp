#include "padding.h"

#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// Whether a step lies in one piece.
bool steps_are_whole(const py::array& array) {
  py::ssize_t expected = array.itemsize();
  for (py::ssize_t axis = array.ndim() - 1; axis > 0; --axis) {
    if (array.shape(axis) != 1 && array.strides(axis) != expected) return false;
    expected *= array.shape(axis);
  }
  return true;
}

// The sequences (T_i, ...) padded, (max T_i, B, ...), and the T_i.
py::tuple side_by_side(const py::list& arrays, const py::array& value) {
  const auto B = static_cast<std::int64_t>(arrays.size());
  if (B == 0) throw py::value_error("arrays: expected at least one, got none");
  const py::dtype dtype = value.dtype();
  if (value.ndim() != 0 || dtype.kind() == 'O')
    throw py::type_error("value: expected a number, got an array");
  std::vector<Held> held;
  held.reserve(static_cast<std::size_t>(B));
  std::vector<PaddedSequence> all;
  all.reserve(static_cast<std::size_t>(B));
  auto lengths = new_array<std::int64_t>({B});
  std::vector<std::int64_t> shape;
  for (std::int64_t b = 0; b < B; ++b) {
    auto array = py::cast<py::array>(arrays[static_cast<std::size_t>(b)]);
    if (array.ndim() == 0 || !array.dtype().equal(dtype))
      throw py::type_error("arrays: expected sequences of the value's dtype");
    if (!steps_are_whole(array)) array = contiguous("sequences", array);
    if (b == 0) {
      shape = {0, B};
      shape.insert(shape.end(), array.shape() + 1, array.shape() + array.ndim());
    } else if (!std::equal(shape.begin() + 2, shape.end(), array.shape() + 1,
                           array.shape() + array.ndim())) {
      throw py::value_error("arrays: expected sequences of one shape but for their steps");
    }
    lengths.mutable_data()[b] = array.shape(0);
    shape[0] = std::max<std::int64_t>(shape[0], array.shape(0));
    all.push_back({static_cast<const char*>(array.data()), array.shape(0), array.strides(0)});
    held.emplace_back(std::move(array));
  }
  const std::int64_t item = dtype.itemsize(), T = shape[0];
  auto padded = new_array("sequences: a padded array", dtype, shape);
  std::int64_t bytes = item;
  for (std::size_t axis = 2; axis < shape.size(); ++axis) bytes *= shape[axis];
  auto* const to = static_cast<char*>(padded.mutable_data());
  {
    const Unlocked others(T, B, bytes);
    pad(all, T, bytes, static_cast<const char*>(value.data()), item, to);
  }
  return py::make_tuple(padded, lengths);
}

}  // namespace

void bind_padding(py::module_& m) {
  m.def("side_by_side", side_by_side, py::arg("arrays"), py::arg("value"));
}

}  // namespace rnnfast
