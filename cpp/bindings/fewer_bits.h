// Parameters that do not change, as they are kept: matrices in fewer bits, all others in float32.
#pragma once

#include <cstdint>
#include <vector>

#include "bindings/arrays.h"

namespace rnnfast {

// A matrix (rows, columns) in a buffer's order of numbers: int8 times a scale that its row has, or
// upper halves of float32, which are bfloat16.
struct KeptMatrix {
  std::int64_t offset, rows, columns;
  std::vector<std::int8_t> codes;     // (rows, columns) or none
  std::vector<float> scale;           // (rows) or none
  std::vector<std::uint16_t> halves;  // (rows, columns) or none

  std::int64_t end() const { return offset + rows * columns; }
  // Some numbers of a row, from a column on, as float32.
  void widen(std::int64_t row, std::int64_t column, std::int64_t count, float* to) const;
};

class FewerBits {
 public:
  // `others` (size - the matrices') are the numbers of no matrix, in their order; matrices are
  // tuples of an offset, int8 and a scale, or bits of bfloat16 in uint16 and None. Throws where
  // they do not fit.
  FewerBits(std::int64_t size, const py::array& others, const py::list& matrices);

  // The numbers [offset, offset + size) as float32.
  void read(std::int64_t offset, std::int64_t size, float* to) const;
  // Whether all of some numbers of the buffer are of no matrix.
  bool has_others(std::int64_t offset, std::int64_t size) const;
  // Where these stand, from their offset on.
  const float* other(std::int64_t offset) const;
  // The matrix that begins there, or null.
  const KeptMatrix* matrix_at(std::int64_t offset) const;
  // What the constructor takes; `owner` has this object, and keeps it alive.
  py::tuple parts(const py::object& owner) const;

 private:
  std::vector<float> others_;
  std::vector<KeptMatrix> matrices_;  // in the order of their offsets
};

}  // namespace rnnfast
