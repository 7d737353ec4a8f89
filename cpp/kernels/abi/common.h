// What the tables of all subjects speak of.
#pragma once

#include <cstdint>

namespace rnnfast {

enum class Status : int { ok = 0, out_of_memory = 1, not_finite = 2 };

// Rows of a matrix, each contiguous.
template <class Scalar>
struct Matrix {
  Scalar* data;
  std::int64_t stride;  // elements from a row to the next
};

}  // namespace rnnfast
