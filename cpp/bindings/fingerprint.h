// Were numbers written to meanwhile? A hash of their bits, about as fast as they are read.
#pragma once

#include <cstdint>
#include <cstring>

namespace rnnfast {

// Chains of 64-bit words, so that their products overlap. A change goes unseen with a probability
// of about 2^-64, also one that follows a rule: all signs, some signs, a factor, two rows
// exchanged. That holds of a change of one word, too: no change is seen for certain.
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

  // Both halves of the product: of the lower one alone, the words' top bits, which are the signs of
  // numbers, would change the top bits only, and a later word's bits could undo that.
  static std::uint64_t mixed(std::uint64_t chain, std::uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(chain ^ word) * 0x9E3779B97F4A7C15u;
    return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
  }

  std::uint64_t chains_[kChains] = {1, 2, 3, 4, 5, 6, 7, 8};
};

}  // namespace rnnfast
