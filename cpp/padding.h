// Sequences of different lengths side by side in one array.
#pragma once

#include <cstdint>
#include <vector>

namespace rnnfast {

// A sequence, whose steps lie `stride` bytes apart.
struct PaddedSequence {
  const char* first;
  std::int64_t steps, stride;
};

// Writes steps of so many `bytes` to (T, sequences); past an end what `item` bytes of a filler say.
void pad(const std::vector<PaddedSequence>& sequences, std::int64_t T, std::int64_t bytes,
         const char* filler, std::int64_t item, char* to);

}  // namespace rnnfast
