#include <algorithm>
#include <cstring>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// A sequence, whose steps are `bytes` long, `stride` apart.
struct Steps {
  const char* first;
  std::int64_t count, stride;
};

// Sequences side by side, step after step, some of them at a time: what is written lies in pieces,
// each sequence is read in order. `none`: a step past the end, or null where there is none.
// `fixed`: the bytes of a step where the compiler is to know them, else 0.
template <std::int64_t fixed>
void copy_steps(const std::vector<Steps>& all, std::int64_t T, std::int64_t given, const char* none,
                char* to) {
  constexpr std::size_t kTogether = 64;
  const std::int64_t bytes = fixed != 0 ? fixed : given;
  const auto size = static_cast<std::size_t>(bytes);
  const auto row = static_cast<std::int64_t>(all.size()) * bytes;
  for (std::size_t begin = 0; begin < all.size(); begin += kTogether) {
    const std::size_t end = std::min(all.size(), begin + kTogether);
    for (std::int64_t t = 0; t < T; ++t) {
      char* at = to + t * row + static_cast<std::int64_t>(begin) * bytes;
      for (std::size_t b = begin; b < end; ++b, at += bytes)
        if (t < all[b].count)
          std::memcpy(at, all[b].first + t * all[b].stride, size);
        else if (none != nullptr)
          std::memcpy(at, none, size);
    }
  }
}

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
  std::vector<Steps> all;
  all.reserve(static_cast<std::size_t>(B));
  auto lengths = new_array<std::int64_t>({B});
  std::vector<py::ssize_t> shape;
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
    shape[0] = std::max<py::ssize_t>(shape[0], array.shape(0));
    all.push_back({static_cast<const char*>(array.data()), array.shape(0), array.strides(0)});
    held.emplace_back(std::move(array));
  }
  const std::int64_t item = dtype.itemsize(), T = shape[0];
  double whole = static_cast<double>(item);
  for (const py::ssize_t size : shape) whole *= static_cast<double>(size == 0 ? 1 : size);
  if (whole >= 0x1p63)
    throw_memory_error("sequences: padded they need " + text_of_bytes(whole) +
                       ", more than there is");
  std::int64_t bytes = item;
  for (std::size_t axis = 2; axis < shape.size(); ++axis) bytes *= shape[axis];
  const ArrayMemory memory(whole);
  py::array padded(dtype, shape);
  auto* const to = static_cast<char*>(padded.mutable_data());
  const auto* const filler = static_cast<const char*>(value.data());
  const bool zero = std::all_of(filler, filler + item, [](char byte) { return byte == 0; });
  const bool ragged = std::any_of(all.begin(), all.end(), [&](auto& one) { return one.count < T; });
  std::vector<char> none(static_cast<std::size_t>(ragged && !zero ? bytes : 0));
  for (std::size_t at = 0; at < none.size(); at += static_cast<std::size_t>(item))
    std::memcpy(none.data() + at, filler, static_cast<std::size_t>(item));
  {
    const Unlocked others(T, B, bytes);
    const auto copy = bytes == 4    ? copy_steps<4>
                      : bytes == 8  ? copy_steps<8>
                      : bytes == 16 ? copy_steps<16>
                                    : copy_steps<0>;
    if (ragged && zero) std::memset(to, 0, static_cast<std::size_t>(T * B * bytes));
    if (bytes > 0) copy(all, T, bytes, none.empty() ? nullptr : none.data(), to);
  }
  return py::make_tuple(padded, lengths);
}

}  // namespace

void bind_padding(py::module_& m) {
  m.def("side_by_side", side_by_side, py::arg("arrays"), py::arg("value"));
}

}  // namespace rnnfast
