// When other threads of Python run beside a call of the kernels.
#pragma once

#include <cstdint>
#include <optional>

#include "bindings/gil.h"
#include "bindings/turn.h"

namespace rnnfast {

// Multiply-adds up to which a call keeps the GIL, some 50 us: two threads get more done so.
constexpr std::int64_t kShortCall = 3 << 19;

// Lets go of the GIL, and before that of the thread's turn, which comes back first.
class Released {
 public:
  Released() : had_turn_(Turn::pause()) {}
  ~Released() {
    if (had_turn_) Turn::resume();
  }
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

  // As that of WithoutGil.
  template <class F>
  void with_gil(const F& f) {
    gil_.with_gil(f);
  }

 private:
  bool had_turn_;
  WithoutGil gil_;  // taken back after the destructor's body
};

// The same, unless the call is short: where several threads want the GIL, to have it back takes
// longer than such a call.
class Unlocked {
 public:
  // A bound of the multiply-adds, the product of sizes.
  template <class... Sizes>
  explicit Unlocked(Sizes... sizes) {
    if ((1.0 * ... * static_cast<double>(sizes)) >= static_cast<double>(kShortCall))
      release_.emplace();
  }

 private:
  std::optional<Released> release_;
};

}  // namespace rnnfast
