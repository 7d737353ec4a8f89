#include "bindings/sequence_arguments.h"

namespace rnnfast {

std::vector<std::int64_t> by_time(std::int64_t T, std::int64_t B, bool batch_first,
                                  std::int64_t width) {
  std::vector<std::int64_t> shape = {batch_first ? B : T, batch_first ? T : B};
  if (width >= 0) shape.push_back(width);
  return shape;
}

std::vector<std::int64_t> read_lengths(const py::object& given, std::int64_t T, std::int64_t B) {
  Held held;
  const auto* const data = optional_data<std::int64_t>("lengths", given, {B}, held);
  if (data == nullptr) return {};
  for (std::int64_t b = 0; b < B; ++b)
    if (data[b] < 0 || data[b] > T)
      throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(T) + ", got " +
                            std::to_string(data[b]));
  return {data, data + B};
}

std::vector<std::int64_t> packed_lengths(const py::object& given, std::int64_t rows) {
  const auto array = py::cast<py::array_t<std::int64_t, py::array::c_style>>(given);
  std::vector<std::int64_t> lengths(array.data(), array.data() + array.size());
  std::int64_t last = rows, sum = 0;
  bool good = !lengths.empty();
  for (const std::int64_t length : lengths) {
    good = good && 0 < length && length <= last;
    last = length;
    sum += good ? length : 0;
  }
  if (!good || sum != rows)
    throw py::value_error("lengths: expected numbers that fall, from 1 on, of sum " +
                          std::to_string(rows) + ", got others");
  return lengths;
}

void require_indices(const Strided<std::int64_t>& x, std::int64_t T, std::int64_t B,
                     std::int64_t limit, const std::int64_t* lengths) {
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t t = 0; t < (lengths != nullptr ? lengths[b] : T); ++t) {
      const std::int64_t index = x.data[t * x.time + b * x.batch];
      if (index < 0 || index >= limit)
        throw py::value_error("x: expected indices from 0 to " + std::to_string(limit - 1) +
                              ", got " + std::to_string(index) + " at time " + std::to_string(t) +
                              " of sequence " + std::to_string(b));
    }
}

}  // namespace rnnfast
