#include "bindings/fewer_bits.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>

namespace rnnfast {

namespace {

template <class Number>
std::vector<Number> numbers_in(const char* name, const py::array& given) {
  require_dtype<Number>(name, given);
  const Held held(contiguous(name, given));
  const auto* const from = held.data<Number>();
  return {from, from + held->size()};
}

KeptMatrix kept_matrix(const py::handle& given) {
  const auto [offset, codes, scale] =
      py::cast<std::tuple<std::int64_t, py::array, std::optional<py::array>>>(given);
  if (codes.ndim() != 2)
    throw py::value_error("codes: expected a matrix, got shape " + text_of(shape_of(codes)));
  KeptMatrix matrix = {offset, codes.shape(0), codes.shape(1), {}, {}, {}};
  if (!scale) {
    matrix.halves = numbers_in<std::uint16_t>("codes", codes);
    return matrix;
  }
  matrix.codes = numbers_in<std::int8_t>("codes", codes);
  require_shape("scale", *scale, {matrix.rows});
  matrix.scale = numbers_in<float>("scale", *scale);
  return matrix;
}

template <class Number>
py::array kept_view(const std::vector<Number>& numbers, const std::vector<std::int64_t>& shape,
                    const py::capsule& base) {
  py::array array(py::dtype::of<Number>(), shape, numbers.data(), base);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

}  // namespace

void KeptMatrix::widen(std::int64_t row, std::int64_t column, std::int64_t count, float* to) const {
  const std::int64_t first = row * columns + column;
  if (scale.empty()) {
    const std::uint16_t* const from = halves.data() + first;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(from[i]) << 16;
      std::memcpy(to + i, &bits, sizeof bits);
    }
    return;
  }
  const std::int8_t* const from = codes.data() + first;
  const float factor = scale[static_cast<std::size_t>(row)];
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]) * factor;
}

FewerBits::FewerBits(std::int64_t size, const py::array& others, const py::list& matrices)
    : others_(numbers_in<float>("others", others)) {
  for (const auto& given : matrices) matrices_.push_back(kept_matrix(given));
  std::sort(matrices_.begin(), matrices_.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::int64_t end = 0, expected = size;
  for (const KeptMatrix& matrix : matrices_) {
    if (matrix.offset < end || matrix.offset > size ||
        matrix.rows * matrix.columns > size - matrix.offset)
      throw py::value_error("matrices: expected places side by side within " +
                            std::to_string(size) + " numbers, got one at " +
                            std::to_string(matrix.offset));
    end = matrix.end();
    expected -= matrix.rows * matrix.columns;
  }
  require_shape("others", others, {expected});
}

void FewerBits::read(std::int64_t offset, std::int64_t size, float* to) const {
  const std::int64_t end = offset + size;
  const auto copy_others = [&](std::int64_t until) {
    if (offset >= until) return;
    std::copy_n(other(offset), until - offset, to);
    to += until - offset;
    offset = until;
  };
  for (const KeptMatrix& matrix : matrices_) {
    if (matrix.end() <= offset) continue;
    if (matrix.offset >= end) break;
    copy_others(matrix.offset);
    while (offset < std::min(end, matrix.end())) {
      const std::int64_t at = offset - matrix.offset, column = at % matrix.columns;
      const std::int64_t count = std::min(matrix.columns - column, end - offset);
      matrix.widen(at / matrix.columns, column, count, to);
      to += count;
      offset += count;
    }
  }
  copy_others(end);
}

const float* FewerBits::other(std::int64_t offset) const {
  std::int64_t place = offset;
  for (const KeptMatrix& matrix : matrices_)
    if (matrix.offset < offset) place -= matrix.rows * matrix.columns;
  return others_.data() + place;
}

bool FewerBits::has_others(std::int64_t offset, std::int64_t size) const {
  return std::all_of(matrices_.begin(), matrices_.end(), [&](const KeptMatrix& matrix) {
    return offset + size <= matrix.offset || offset >= matrix.end();
  });
}

const KeptMatrix* FewerBits::matrix_at(std::int64_t offset) const {
  for (const KeptMatrix& matrix : matrices_)
    if (matrix.offset == offset) return &matrix;
  return nullptr;
}

py::tuple FewerBits::parts(const py::object& owner) const {
  // A capsule as the base: NumPy then refuses to make a read-only view writeable again.
  const py::capsule base(new py::object(owner),
                         [](void* p) { delete static_cast<py::object*>(p); });
  py::list matrices;
  for (const KeptMatrix& m : matrices_) {
    const bool is_int8 = m.halves.empty();
    py::object scale = py::none();
    if (is_int8) scale = kept_view(m.scale, {m.rows}, base);
    const std::vector<std::int64_t> shape = {m.rows, m.columns};
    matrices.append(py::make_tuple(
        m.offset, is_int8 ? kept_view(m.codes, shape, base) : kept_view(m.halves, shape, base),
        scale));
  }
  const auto count = static_cast<std::int64_t>(others_.size());
  return py::make_tuple(kept_view(others_, {count}, base), matrices);
}

}  // namespace rnnfast
