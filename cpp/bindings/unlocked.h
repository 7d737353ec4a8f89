// When other threads of Python run beside a call of the kernels.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>

namespace rnnfast {

// Multiply-adds up to which a call keeps the GIL, some 50 us: two threads get more done so.
constexpr std::int64_t kShortCall = 3 << 19;

// Lets go of the GIL, unless the call is short: where several threads want it, to have it back
// takes longer than such a call.
class Unlocked {
 public:
  // A bound of the multiply-adds, the product of sizes.
  template <class... Sizes>
  explicit Unlocked(Sizes... sizes) {
    if ((1.0 * ... * static_cast<double>(sizes)) >= static_cast<double>(kShortCall))
      release_.emplace();
  }

 private:
  std::optional<pybind11::gil_scoped_release> release_;
};

}  // namespace rnnfast
