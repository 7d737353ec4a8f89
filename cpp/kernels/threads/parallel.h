// How loops that need no barrier are cut among threads.
#pragma once

#include "kernels/core/buffer.h"
#include "kernels/threads/team.h"

namespace rnnfast {

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// As many of `threads` as have at least `grain` units of work each; at least one, also of none.
inline int useful_threads(int threads, std::int64_t work, std::int64_t grain) {
  return static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(work / grain, threads)));
}

// The part of [0, count) that falls to `rank` of `size`, cut at multiples of `unit`.
inline Range share(std::int64_t count, std::int64_t unit, int rank, int size) {
  const Range units = share(ceil_div(count, unit), rank, size);
  return {std::min(count, units.begin * unit), std::min(count, units.end * unit)};
}

}  // namespace rnnfast
