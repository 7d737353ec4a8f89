// Ragged batches without padding: which rows are alive at which step.
//
// Sequences are taken in the order of falling length, so that the live ones at every step are a
// prefix. A "row" is one step of one sequence; rows are numbered step by step. The reverse
// direction starts at each sequence's own end, so that the same prefix serves both.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/abi/recurrent.h"
#include "kernels/core/buffer.h"
#include "kernels/threads/team.h"

namespace rnnfast {

struct Schedule {
  std::int64_t B = 0, steps = 0, rows = 0;
  bool packed = false;          // whether the caller's arrays are rows as these are
  Buffer<std::int64_t> order;   // (B) place in the caller's batch
  Buffer<std::int64_t> length;  // (B) falling
  Buffer<std::int64_t> active;  // (steps) live sequences
  Buffer<std::int64_t> first;   // (steps + 1) number of the first row

  bool build(std::int64_t T, std::int64_t batch, const std::int64_t* lengths) {
    B = batch;
    if (!order.reserve(B + 1) || !length.reserve(B + 1)) return false;
    for (std::int64_t b = 0; b < B; ++b) order[b] = b;
    if (lengths != nullptr)
      std::stable_sort(order.data(), order.data() + B,
                       [lengths](auto i, auto j) { return lengths[i] > lengths[j]; });
    for (std::int64_t b = 0; b < B; ++b) length[b] = lengths != nullptr ? lengths[order[b]] : T;
    steps = B > 0 ? length[0] : 0;
    if (!active.reserve(steps + 1) || !first.reserve(steps + 1)) return false;
    rows = 0;
    std::int64_t alive = B;
    for (std::int64_t s = 0; s < steps; ++s) {
      while (alive > 0 && length[alive - 1] <= s) --alive;
      active[s] = alive;
      first[s] = rows;
      rows += alive;
    }
    first[steps] = rows;
    return true;
  }

  // The sequences that fall to one of `size` threads: neighbours, of about equal total length.
  Range deal(int rank, int size) const {
    const auto border = [&](int r) -> std::int64_t {
      if (r == 0) return 0;
      if (r == size) return B;  // those without a step are dealt as well
      std::int64_t b = 0, sum = 0;
      while (b < B && (2 * sum + length[b]) * size <= 2 * rows * r) sum += length[b++];
      return b;
    };
    return {border(rank), border(rank + 1)};
  }

  // Where the caller has time t of sequence b, given his strides.
  std::int64_t place(std::int64_t t, std::int64_t b, std::int64_t by_time,
                     std::int64_t by_batch) const {
    return packed ? (first[t] + b) * by_batch : t * by_time + order[b] * by_batch;
  }

  // The caller's time of step s of sequence b.
  std::int64_t time(int direction, std::int64_t s, std::int64_t b) const {
    return direction == 0 ? s : length[b] - 1 - s;
  }
};

}  // namespace rnnfast
