// Random numbers by position: what is drawn depends on a seed and a place, not on who draws or in
// which order.
#pragma once

#include <cstdint>

#include "kernels/abi/recurrent.h"

namespace rnnfast {

// Random bits by position: SplitMix64's finalizer over a counter.
inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t position) {
  std::uint64_t z = seed + (position + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// A number in [0, 1), a multiple of 2^-53.
inline double random_unit(std::uint64_t seed, std::uint64_t position) {
  return static_cast<double>(random_bits(seed, position) >> 11) * 0x1p-53;
}

// The factor of dropout for one element: 0 or 1 / (1 - p).
template <class Scalar>
struct DropoutFactors {
  std::uint64_t seed, threshold;
  Scalar scale;

  DropoutFactors(Dropout dropout, int layer)
      : seed(random_bits(dropout.seed, static_cast<std::uint64_t>(layer))),
        threshold(static_cast<std::uint64_t>(dropout.probability * 0x1p53)),
        scale(static_cast<Scalar>(dropout.probability < 1 ? 1 / (1 - dropout.probability) : 0)) {}

  Scalar operator()(std::int64_t position) const {
    return (random_bits(seed, static_cast<std::uint64_t>(position)) >> 11) < threshold ? Scalar(0)
                                                                                       : scale;
  }
};

}  // namespace rnnfast
