// Sequences as they stand in the caller's memory.
#pragma once

#include "bindings/arrays.h"
#include "bindings/fingerprint.h"

namespace rnnfast {

// An array's data and its strides by time and batch, in elements.
template <class Scalar>
struct Strided {
  const Scalar* data;
  std::int64_t time, batch;

  Strided(const Scalar* first, std::int64_t by_time, std::int64_t by_batch)
      : data(first), time(by_time), batch(by_batch) {}
  Strided(const py::array& array, bool batch_first)
      : data(static_cast<const Scalar*>(array.data())),
        time(array.strides(batch_first ? 1 : 0) / static_cast<py::ssize_t>(sizeof(Scalar))),
        batch(array.strides(batch_first ? 0 : 1) / static_cast<py::ssize_t>(sizeof(Scalar))) {}
};

// A number that says whether x was written to, within the lengths.
template <class Scalar>
std::uint64_t fingerprint_of(const Strided<Scalar>& x, std::int64_t T, std::int64_t B,
                             std::int64_t width, const std::int64_t* lengths) {
  Fingerprint print;
  if (lengths == nullptr && x.batch == width && x.time == B * width) {
    print.add(x.data, T * B * width);
    return print.value();
  }
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t t = 0; t < (lengths != nullptr ? lengths[b] : T); ++t)
      print.add(x.data + t * x.time + b * x.batch, width);
  return print.value();
}

}  // namespace rnnfast
