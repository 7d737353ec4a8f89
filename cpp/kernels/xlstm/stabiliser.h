// What both cells' stabilisers have in common.
#pragma once

namespace rnnfast {

// Below this size of m the forget gate makes up for the rounding of m, a millionth at most in
// float32: over any number of steps far from what overflows. Beyond, it would not be.
template <class Scalar>
constexpr Scalar kMakesUp = 64;

}  // namespace rnnfast
