// Random numbers by position: what is drawn depends on a seed and a place, not on who draws or in
// which order.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/abi/recurrent.h"
#include "kernels/core/simd.h"

namespace rnnfast {

// Random bits by position: SplitMix64's finalizer over a counter, whose steps are this far apart.
constexpr std::uint64_t kRandomStep = 0x9E3779B97F4A7C15ull;

// Of a number, or of a vector of them.
template <class Bits>
RNNFAST_INLINE Bits random_mixture(Bits z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

inline std::uint64_t random_bits(std::uint64_t seed, std::uint64_t position) {
  return random_mixture(seed + (position + 1) * kRandomStep);
}

// A number in [0, 1), a multiple of 2^-53.
inline double random_unit(std::uint64_t seed, std::uint64_t position) {
  return static_cast<double>(random_bits(seed, position) >> 11) * 0x1p-53;
}

// A vector of the compiler's own, whose operators it has for integers too.
template <class Element>
struct AsManyAsDoubles {
  using Vector __attribute__((vector_size(lanes<double> * sizeof(Element)))) = Element;
};

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

  // to = from times the factors from `position` on, which may be `from` itself. A branch that goes
  // either way by chance would cost more than all the rest.
  void multiply(std::int64_t position, std::int64_t count, const Scalar* from, Scalar* to) const {
    constexpr std::int64_t N = lanes<double>;
    using Bits = AsManyAsDoubles<std::uint64_t>::Vector;
    using Signs = AsManyAsDoubles<std::int64_t>::Vector;
    using Numbers = typename AsManyAsDoubles<Scalar>::Vector;
    using Pattern = std::conditional_t<sizeof(Scalar) == 8, std::int64_t, std::int32_t>;
    using Patterns = typename AsManyAsDoubles<Pattern>::Vector;
    Bits counter;
    for (std::int64_t n = 0; n < N; ++n)
      counter[n] = seed + (static_cast<std::uint64_t>(position + n) + 1) * kRandomStep;
    Pattern one;
    std::memcpy(&one, &scale, sizeof scale);
    std::int64_t i = 0;
    for (; i + N <= count; i += N, counter += N * kRandomStep) {
      const auto draws = reinterpret_cast<Signs>(random_mixture(counter) >> 11);
      const Signs kept = draws >= static_cast<std::int64_t>(threshold);
      const auto factors = reinterpret_cast<Numbers>(__builtin_convertvector(kept, Patterns) & one);
      Numbers x;
      std::memcpy(&x, from + i, sizeof x);
      x *= factors;
      std::memcpy(to + i, &x, sizeof x);
    }
    for (; i < count; ++i) to[i] = from[i] * (*this)(position + i);
  }
};

}  // namespace rnnfast
