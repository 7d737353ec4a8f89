// The home of trained numbers: values, their gradients, and a version that counts every change.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/mutex.h"
#include "bindings/row_gradients.h"
#include "kernels/abi/aligned.h"

namespace rnnfast {

class Recurrent;

// One flat run of values and one of gradients, 64-byte aligned. Python sees the values read-only,
// so that each change passes through `changed()` and no packed copy can go stale unnoticed.
//
// A buffer that is one table may keep the gradients of those rows alone that were used.
class ParameterBuffer {
 public:
  // `row_size` numbers are a row of a table whose gradients are kept by row; 0: all are kept.
  ParameterBuffer(std::int64_t size, bool is_double, std::int64_t row_size);

  std::int64_t size() const { return size_; }
  bool is_double() const { return is_double_; }
  std::int64_t version() const { return version_; }
  void changed() { ++version_; }

  template <class Scalar>
  Scalar* values() const {
    return static_cast<Scalar*>(values_.get());
  }
  // Null if gradients are kept by row, and the other way round.
  template <class Scalar>
  Scalar* grads() const {
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
  struct Free {
    void operator()(void* p) const { aligned_free(p); }
  };
  std::int64_t size_;
  bool is_double_;
  std::int64_t version_ = 0;
  std::unique_ptr<void, Free> values_, grads_;
  Mutex gradient_mutex_;
  std::unique_ptr<RowGradients> row_grads_;
  std::vector<std::weak_ptr<Recurrent>> networks_;
};

}  // namespace rnnfast
