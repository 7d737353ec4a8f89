// Were numbers written to meanwhile? A hash of their bits, about as fast as they are read.
#pragma once

#include <cstdint>
#include <cstring>

namespace rnnfast {

// Chains of 64-bit words, so that their products overlap. Every change of a single word
// changes the value; others do but with a probability of 2^-64.
class Fingerprint {
 public:
  template <class Scalar>
  void add(const Scalar* values, std::int64_t count) {
    add_bytes(reinterpret_cast<const unsigned char*>(values),
              count * static_cast<std::int64_t>(sizeof(Scalar)));
  }

  std::uint64_t value() const {
    std::uint64_t result = 0;
    for (const std::uint64_t chain : chains_) result = mixed(result, chain);
    return result;
  }

 private:
  void add_bytes(const unsigned char* bytes, std::int64_t left);

  static constexpr int kChains = 8;
  static constexpr std::int64_t kStride = 8 * kChains;

  // One to one in `word`; turned by half, so that the top bits reach all others with the next.
  static std::uint64_t mixed(std::uint64_t chain, std::uint64_t word) {
    const std::uint64_t product = (chain ^ word) * 0x9E3779B97F4A7C15u;
    return product << 32 | product >> 32;
  }

  std::uint64_t chains_[kChains] = {1, 2, 3, 4, 5, 6, 7, 8};
};

}  // namespace rnnfast
