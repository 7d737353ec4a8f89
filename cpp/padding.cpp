#include "padding.h"

#include <algorithm>
#include <cstring>

namespace rnnfast {

namespace {

// Step after step, some sequences at a time: what is written lies in pieces, each sequence is read
// in order. `none`: a step past the end, or null where there is none. `fixed`: the bytes of a step
// where the compiler is to know them, else 0.
template <std::int64_t fixed>
void copy_steps(const std::vector<PaddedSequence>& all, std::int64_t T, std::int64_t given,
                const char* none, char* to) {
  constexpr std::size_t kTogether = 64;
  const std::int64_t bytes = fixed != 0 ? fixed : given;
  const auto size = static_cast<std::size_t>(bytes);
  const auto row = static_cast<std::int64_t>(all.size()) * bytes;
  for (std::size_t begin = 0; begin < all.size(); begin += kTogether) {
    const std::size_t end = std::min(all.size(), begin + kTogether);
    for (std::int64_t t = 0; t < T; ++t) {
      char* at = to + t * row + static_cast<std::int64_t>(begin) * bytes;
      for (std::size_t b = begin; b < end; ++b, at += bytes)
        if (t < all[b].steps)
          std::memcpy(at, all[b].first + t * all[b].stride, size);
        else if (none != nullptr)
          std::memcpy(at, none, size);
    }
  }
}

}  // namespace

void pad(const std::vector<PaddedSequence>& sequences, std::int64_t T, std::int64_t bytes,
         const char* filler, std::int64_t item, char* to) {
  if (bytes == 0) return;
  const bool ragged =
      std::any_of(sequences.begin(), sequences.end(), [&](auto& one) { return one.steps < T; });
  const bool zero = std::all_of(filler, filler + item, [](char byte) { return byte == 0; });
  std::vector<char> none(static_cast<std::size_t>(ragged && !zero ? bytes : 0));
  for (std::size_t at = 0; at < none.size(); at += static_cast<std::size_t>(item))
    std::memcpy(none.data() + at, filler, static_cast<std::size_t>(item));
  if (ragged && zero) std::memset(to, 0, static_cast<std::size_t>(T * bytes) * sequences.size());
  const auto copy = bytes == 4    ? copy_steps<4>
                    : bytes == 8  ? copy_steps<8>
                    : bytes == 16 ? copy_steps<16>
                                  : copy_steps<0>;
  copy(sequences, T, bytes, none.empty() ? nullptr : none.data(), to);
}

}  // namespace rnnfast
