// When a network of CTC says symbols that are known: the likeliest of their paths (Viterbi).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace rnnfast {

// A symbol on a path: its steps, from `begin` up to and without `end`, and the largest log P that
// it has in one of them.
struct CtcSpan {
  std::int64_t begin, end;
  double log_prob;
};

// Bytes that `ctc_align` needs.
inline double ctc_align_bytes(std::int64_t T, std::int64_t U) {
  return static_cast<double>(T) * (2 * static_cast<double>(U) + 1);
}

// The spans of `symbols` (U) on the likeliest path through `log_probs`, T rows of classes that are
// `stride` apart; false if there is no path.
template <class Scalar>
bool ctc_align(const Scalar* log_probs, std::int64_t stride, std::int64_t T, std::int64_t blank,
               const std::vector<std::int64_t>& symbols, std::vector<CtcSpan>& spans) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const auto U = static_cast<std::int64_t>(symbols.size()), S = 2 * U + 1;
  spans.clear();
  if (U == 0) return true;
  if (T == 0) return false;
  // Places of a path: blanks at even ones, symbols at odd ones, as `ops/ctc.h` has them.
  const auto symbol = [&](std::int64_t s) { return s % 2 == 0 ? blank : symbols[s / 2]; };
  std::vector<unsigned char> moves(T * S);  // by how many places the path moved to come here
  std::vector<double> best(S, kNever), before(S);
  for (std::int64_t t = 0; t < T; ++t) {
    const Scalar* const row = log_probs + t * stride;
    before.swap(best);
    // What can be reached from the beginning by now, and from what the end can be.
    const std::int64_t first = std::max<std::int64_t>(0, S - 2 * (T - t));
    const std::int64_t last = std::min(S, 2 * (t + 1));
    std::fill(best.begin(), best.end(), kNever);
    for (std::int64_t s = first; s < last; ++s) {
      double most = t == 0 ? 0.0 : before[s];
      unsigned char move = 0;
      if (t > 0 && s > 0 && before[s - 1] > most) {
        most = before[s - 1];
        move = 1;
      }
      const bool skips = t > 0 && s % 2 == 1 && s > 1 && symbol(s) != symbol(s - 2);
      if (skips && before[s - 2] > most) {
        most = before[s - 2];
        move = 2;
      }
      best[s] = most + static_cast<double>(row[symbol(s)]);
      moves[t * S + s] = move;
    }
  }
  std::int64_t place = best[S - 1] > best[S - 2] ? S - 1 : S - 2;
  if (!(best[place] > kNever)) return false;
  spans.assign(U, {0, 0, kNever});
  for (std::int64_t t = T - 1; t >= 0; --t) {
    if (place % 2 == 1) {
      CtcSpan& span = spans[place / 2];
      if (span.end == 0) span.end = t + 1;
      span.begin = t;
      span.log_prob =
          std::max(span.log_prob, static_cast<double>(log_probs[t * stride + symbols[place / 2]]));
    }
    place -= moves[t * S + place];
  }
  return true;
}

}  // namespace rnnfast
