// Numbers in aligned memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "kernels/abi/aligned.h"

namespace rnnfast::library {

// The product of sizes; std::bad_alloc where no memory is so large.
inline std::int64_t product_of(std::initializer_list<std::int64_t> sizes) {
  std::int64_t n = 1;
  for (const std::int64_t size : sizes)
    if (__builtin_mul_overflow(n, size, &n)) throw std::bad_alloc();
  return n;
}

// So many numbers, zeros at first.
template <class Number>
class Block {
 public:
  Block() = default;
  explicit Block(std::int64_t count) : count_(count) {
    std::int64_t bytes = 0;
    if (count < 0 || __builtin_mul_overflow(count, std::int64_t(sizeof(Number)), &bytes) ||
        bytes > std::numeric_limits<std::int64_t>::max() / 2)
      throw std::bad_alloc();
    data_ = static_cast<Number*>(
        aligned_allocate(128, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 128))));
    if (data_ == nullptr) throw std::bad_alloc();
    std::fill(data_, data_ + count, Number());
  }
  Block(Block&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { aligned_free(data_); }

  Number* data() { return data_; }
  const Number* data() const { return data_; }
  std::int64_t size() const { return count_; }

 private:
  Number* data_ = nullptr;
  std::int64_t count_ = 0;
};

}  // namespace rnnfast::library
