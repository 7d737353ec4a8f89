// The sequences that callers give a recurrent layer, checked, as the kernels read them.
#pragma once

#include <string>
#include <vector>

#include "bindings/finite.h"
#include "bindings/recurrent.h"
#include "bindings/strided.h"

namespace rnnfast {

// (T, B) or (B, T), and the width behind it unless that is negative.
std::vector<std::int64_t> by_time(std::int64_t T, std::int64_t B, bool batch_first,
                                  std::int64_t width = -1);

// The lengths (B) of sequences, a copy; empty for None.
std::vector<std::int64_t> read_lengths(const py::object& given, std::int64_t T, std::int64_t B);
// The lengths of packed sequences of so many rows, a copy.
std::vector<std::int64_t> packed_lengths(const py::object& given, std::int64_t rows);

// The data of the state `given` (L*D, B, width), or null for None, checked; `any`: may be infinite.
template <class Scalar>
const Scalar* state_data(const char* name, const py::object& given, const StackShape& shape,
                         std::int64_t B, std::int64_t width, Held& held, bool any = false) {
  const auto* const data =
      optional_data<Scalar>(name, given, {std::int64_t(shape.L) * shape.D, B, width}, held);
  if (data != nullptr && !any && !all_finite(data, held->size())) throw_not_finite(name);
  return data;
}

// x (T, B, I), to be read where it stands, or a copy of the indices (T, B).
template <class Scalar>
py::array sequence_array(const char* name, const py::array& given) {
  if (given.ndim() == 2) {
    require_dtype<std::int64_t>(name, given);
    return copy_of(name, given);
  }
  require_dtype<Scalar>(name, given);
  if (given.ndim() != 3)
    throw py::value_error(std::string(name) + ": expected 2 or 3 axes, got shape " +
                          text_of(shape_of(given)));
  return with_contiguous_rows(name, given);
}

// Rows within each length must be finite; what lies past a length is never read.
template <class Scalar>
void require_finite(const char* name, const Strided<Scalar>& x, std::int64_t T, std::int64_t B,
                    std::int64_t width, const std::int64_t* lengths) {
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t t = 0; t < (lengths != nullptr ? lengths[b] : T); ++t)
      if (!all_finite(x.data + t * x.time + b * x.batch, width))
        throw py::value_error(std::string(name) +
                              ": expected finite numbers, got NaN or infinity " + "at time " +
                              std::to_string(t) + " of sequence " + std::to_string(b));
}

void require_indices(const Strided<std::int64_t>& x, std::int64_t T, std::int64_t B,
                     std::int64_t limit, const std::int64_t* lengths);

// What a caller gave a pass, checked, as the kernels read it. Points into itself.
template <class Scalar>
struct SequenceArguments {
  py::array x;
  std::int64_t T, B;  // as the arrays have them: of packed sequences 1 and all rows
  Held x_held, reset, h0, c0, noise[3];
  std::vector<std::int64_t> lengths;
  SequenceInput<Scalar> in = {};
  const std::int64_t* ends = nullptr;  // where the arrays have padding
  bool indices;

  SequenceArguments(const SequenceArguments&) = delete;
  SequenceArguments& operator=(const SequenceArguments&) = delete;
  SequenceArguments(const StackShape& shape, const py::array& x_given, const py::object& h0_given,
                    const py::object& c0_given, const py::object& lengths_given,
                    const py::object& reset_given, bool batch_first, const py::object& noise_given,
                    bool packed = false)
      : x(sequence_array<Scalar>("x", x_given)),
        T(x.shape(batch_first ? 1 : 0)),
        B(x.shape(batch_first ? 0 : 1)),
        x_held(x),
        indices(x_given.ndim() == 2) {
    in.T = T;
    in.B = B;
    if (packed) {
      if (T != 1 || batch_first || !reset_given.is_none())
        throw py::value_error("packed: expected x (1, rows, ...) without reset, got another");
      lengths = packed_lengths(lengths_given, B);
      in.packed = true;
      in.T = lengths.front();
      in.B = static_cast<std::int64_t>(lengths.size());
    } else {
      lengths = read_lengths(lengths_given, T, B);
      if (!lengths_given.is_none()) ends = lengths.data();
    }
    if (!lengths_given.is_none()) in.lengths = lengths.data();
    if (indices) {
      const Strided<std::int64_t> s(x, batch_first);
      require_indices(s, T, B, shape.I, ends);
      in.indices = s.data;
      in.x_time = s.time;
      in.x_batch = s.batch;
    } else {
      require_shape("x", x, by_time(T, B, batch_first, shape.I));
      const Strided<Scalar> s(x, batch_first);
      in.x = s.data;
      in.x_time = s.time;
      in.x_batch = s.batch;
    }
    if (!reset_given.is_none()) {
      optional_data<bool>("reset", reset_given, by_time(T, B, batch_first), reset);
      const Strided<std::uint8_t> s(*reset, batch_first);
      in.reset = s.data;
      in.reset_time = s.time;
      in.reset_batch = s.batch;
    }
    in.h0 = state_data<Scalar>("h0", h0_given, shape, in.B, shape.P, h0);
    in.c0 = state_data<Scalar>("c0", c0_given, shape, in.B, shape.memory(), c0);
    if (noise_given.is_none()) return;
    const char* const names[] = {"keep_h", "keep_c", "drop"};
    const Scalar** const places[] = {&in.keep_h, &in.keep_c, &in.drop};
    const auto given = py::cast<std::array<py::object, 3>>(noise_given);
    const std::int64_t states = std::int64_t(shape.L) * shape.D;
    for (int i = 0; i < 3; ++i)
      *places[i] =
          optional_data<Scalar>(names[i], given[i], {states, in.T, in.B, shape.H}, noise[i]);
    in.drawn = true;
  }

  // Throws as the kernels' answer wants.
  void require(Status status) const {
    if (status == Status::not_finite) {  // says where
      require_finite("x", Strided<Scalar>{in.x, in.x_time, in.x_batch}, T, B, x.shape(2), ends);
      throw_not_finite("x");
    }
    require_ok(status);
  }
};

}  // namespace rnnfast
