#include "bindings/finite.h"

#include <cstring>
#include <type_traits>

namespace rnnfast {

namespace {

template <class Scalar>
bool finite(const Scalar* values, std::int64_t count) {
  using Bits = std::conditional_t<sizeof(Scalar) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits exponent = sizeof(Scalar) == 4 ? Bits(0x7F800000u) : Bits(0x7FF0000000000000ull);
  Bits found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, values + i, sizeof bits);
    found |= static_cast<Bits>((bits & exponent) == exponent);
  }
  return found == 0;
}

}  // namespace

bool all_finite(const float* values, std::int64_t count) { return finite(values, count); }
bool all_finite(const double* values, std::int64_t count) { return finite(values, count); }

}  // namespace rnnfast
