// The home of trained numbers: values, their gradients, and a version that counts every change.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/fewer_bits.h"
#include "bindings/mutex.h"
#include "bindings/row_gradients.h"
#include "kernels/abi/aligned.h"

namespace rnnfast {

class Recurrent;

struct FreeAligned {
  void operator()(void* p) const { aligned_free(p); }
};

// Numbers to be read: where they stand, or a copy that is there as long as this is.
template <class Scalar>
class Values {
 public:
  explicit Values(const Scalar* there) : data_(there) {}
  explicit Values(std::unique_ptr<Scalar, FreeAligned> made)
      : made_(std::move(made)), data_(made_.get()) {}
  const Scalar* data() const { return data_; }

 private:
  std::unique_ptr<Scalar, FreeAligned> made_;
  const Scalar* data_;
};

// One flat run of values and one of gradients, 64-byte aligned. Python sees the values read-only,
// so that each change passes through `changed()` and no packed copy can go stale unnoticed.
//
// A buffer that is one table may keep the gradients of those rows alone that were used. One of
// numbers that stay as they are may keep them in fewer bits, and has no gradients.
class ParameterBuffer {
 public:
  // `row_size` numbers are a row of a table whose gradients are kept by row; 0: all are kept.
  ParameterBuffer(std::int64_t size, bool is_double, std::int64_t row_size);
  // Of float32.
  ParameterBuffer(std::int64_t size, std::unique_ptr<const FewerBits> kept)
      : size_(size), is_double_(false), kept_(std::move(kept)) {}

  std::int64_t size() const { return size_; }
  bool is_double() const { return is_double_; }
  std::int64_t version() const { return version_; }
  void changed() { ++version_; }

  // The numbers in fewer bits, or null.
  const FewerBits* kept() const { return kept_.get(); }
  // Numbers of which some may be of a matrix in fewer bits; the others stand where they are.
  template <class Scalar>
  Values<Scalar> read(std::int64_t offset, std::int64_t size) const;
  template <class Scalar>
  const Scalar* plain(std::int64_t offset) const;

  // These and gradients are not to be had of numbers in fewer bits: TypeError.
  template <class Scalar>
  Scalar* values() const {
    require_floats();
    return static_cast<Scalar*>(values_.get());
  }
  // Null if gradients are kept by row, and the other way round.
  template <class Scalar>
  Scalar* grads() const {
    require_floats();
    return static_cast<Scalar*>(grads_.get());
  }
  RowGradients* row_grads() const { return row_grads_.get(); }
  // Held by who changes gradients, of whatever network: several may stand on one buffer, in several
  // threads. Who holds it must not wait for the GIL.
  Mutex& gradient_mutex() { return gradient_mutex_; }
  // Networks that stand on the buffer and keep packed copies of its values. Needs the GIL.
  std::vector<std::weak_ptr<Recurrent>>& networks() { return networks_; }
  // Adds an array of the buffer's dtype to the gradients [offset, offset + size).
  void add_grads(std::int64_t offset, const py::array& source);
  // Copies a contiguous array of the buffer's dtype to [offset, offset + size).
  void assign(std::int64_t offset, const py::array& source);
  template <class Scalar>
  void put(std::int64_t offset, const Scalar* source, std::int64_t size) {
    std::memcpy(values<Scalar>() + offset, source, static_cast<std::size_t>(size) * sizeof(Scalar));
    changed();
  }

 private:
  void require_floats() const {
    if (kept_ != nullptr)
      throw py::type_error("buffer: expected numbers of float32 or float64, got fewer bits");
  }

  std::int64_t size_;
  bool is_double_;
  std::int64_t version_ = 0;
  std::unique_ptr<void, FreeAligned> values_, grads_;
  std::unique_ptr<const FewerBits> kept_;
  Mutex gradient_mutex_;
  std::unique_ptr<RowGradients> row_grads_;
  std::vector<std::weak_ptr<Recurrent>> networks_;
};

template <class Scalar>
Values<Scalar> ParameterBuffer::read(std::int64_t offset, std::int64_t size) const {
  if constexpr (std::is_same_v<Scalar, float>) {
    if (kept_ != nullptr) {
      const auto bytes = static_cast<std::size_t>(size) * sizeof(float);
      std::unique_ptr<float, FreeAligned> made(
          static_cast<float*>(aligned_allocate(64, (bytes + 63) / 64 * 64 + 64)));
      if (!made) throw std::bad_alloc();
      kept_->read(offset, size, made.get());
      return Values<float>(std::move(made));
    }
  }
  return Values<Scalar>(values<Scalar>() + offset);
}

template <class Scalar>
const Scalar* ParameterBuffer::plain(std::int64_t offset) const {
  if constexpr (std::is_same_v<Scalar, float>)
    if (kept_ != nullptr) return kept_->other(offset);
  return values<Scalar>() + offset;
}

}  // namespace rnnfast
