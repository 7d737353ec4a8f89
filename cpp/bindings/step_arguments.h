// What steps of streams are given, checked: numbers or indices, rows, and where to write.
#pragma once

#include <cstdint>
#include <vector>

#include "bindings/arrays.h"

namespace rnnfast {

// What a step of B sequences was given: (B, I) numbers or (B) indices.
template <class Scalar>
struct StepInput {
  const Scalar* values = nullptr;
  const std::int64_t* indices = nullptr;  // the stream's own copy, until the next step
  bool flat = false;                      // given without an axis for the batch
  py::object held;                        // the array of the numbers, or a converted copy
};

// `indices` is where the stream keeps its copy.
template <class Scalar>
void read_step(const py::handle& x, std::int64_t B, std::int64_t I,
               std::vector<std::int64_t>& indices, StepInput<Scalar>& in);

// Different ones of the rows from 0 to B - 1: a list, tuple, range or array of integers.
std::vector<std::int64_t> read_rows(const py::handle& rows, std::int64_t B);

// `out`, checked, to write `shape` to.
template <class Scalar>
py::array target_of(const py::object& out, const std::vector<std::int64_t>& shape);

template <class Scalar>
Scalar* numbers_of(const py::array& target) {
  return static_cast<Scalar*>(const_cast<void*>(target.data()));
}

// Has a copy read where writing `size` numbers to y would change what is read, as when an output is
// the next input.
template <class Scalar>
void set_apart(StepInput<Scalar>& in, const Scalar* y, std::int64_t size) {
  if (in.values == nullptr) return;
  const auto array = py::reinterpret_borrow<py::array>(in.held);
  if (y >= in.values + array.size() || in.values >= y + size) return;
  const py::array copy = copy_of("x", array);
  in.held = copy;
  in.values = static_cast<const Scalar*>(copy.data());
}

}  // namespace rnnfast
