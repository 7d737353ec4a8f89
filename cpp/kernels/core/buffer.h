// Memory of the kernels: aligned, checked, given back by its owner.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/core/memory.h"
#include "kernels/core/sizes.h"

namespace rnnfast {

// `count` values of T, aligned to a cache line; not initialised. Allocation reports failure, it
// does not throw. Not inlined: there are hundreds of them.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>, "raw memory only");

 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    std::swap(taken_, other.taken_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr) Memory::give(data_, taken_);
  }

  // At least `count` values; what was there is lost unless it already fits. A negative count, which
  // `product_of` gives for too large ones, is never to be had.
  __attribute__((noinline)) bool reserve(std::int64_t count) {
    if (count < 0) return false;
    if (count <= count_) return true;
    Memory::give(data_, taken_);
    data_ = nullptr;
    count_ = 0;
    const auto bytes = static_cast<std::uint64_t>(count) * sizeof(T);
    if (bytes / sizeof(T) != static_cast<std::uint64_t>(count) || bytes > (1ull << 47)) {
      Memory::miss(static_cast<double>(count) * sizeof(T));
      return false;
    }
    taken_ = static_cast<std::size_t>(bytes);
    data_ = static_cast<T*>(Memory::take(taken_));
    if (data_ == nullptr) return false;
    count_ = count;
    return true;
  }
  __attribute__((noinline)) bool reserve_zeroed(std::int64_t count) {
    if (!reserve(count)) return false;
    if (count > 0)  // where there are none, there may be no memory
      std::memset(static_cast<void*>(data_), 0, static_cast<std::size_t>(count) * sizeof(T));
    return true;
  }
  // A copy of `count` values.
  bool assign(const T* from, std::int64_t count) {
    if (!reserve(count)) return false;
    if (count > 0) std::memcpy(data_, from, static_cast<std::size_t>(count) * sizeof(T));
    return true;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::int64_t bytes() const { return count_ * static_cast<std::int64_t>(sizeof(T)); }
  T& operator[](std::int64_t i) { return data_[i]; }
  const T& operator[](std::int64_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  std::int64_t count_ = 0;
  std::size_t taken_ = 0;  // bytes
};

}  // namespace rnnfast
