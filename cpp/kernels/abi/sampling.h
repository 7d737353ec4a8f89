// Sampling: tokens drawn from logits, one by one, and fed back into a stack.
#pragma once

#include <cstdint>

#include "kernels/abi/linear.h"
#include "kernels/abi/recurrent.h"

namespace rnnfast {

// How the next token is drawn from logits.
struct DrawOptions {
  double temperature;             // 0: the most likely
  std::int64_t top_k;             // draw among so many of the most likely; 0: all
  double top_p;                   // and among the fewest that carry this probability; 1: all
  const std::uint8_t* forbidden;  // (V) 1: never drawn; or null. Not all of them
  std::uint64_t seed;
};

// A recurrent stack and its output layer, and where drawn tokens go. B rows are drawn side by side;
// a row's tokens depend on its number and the seed, not on the other rows.
template <class Scalar>
struct Decoder {
  void (*step)(Stream* stream, const Packed* packed, const Scalar* x, const std::int64_t* indices,
               Scalar* y, int threads);  // of RecurrentTable
  Stream* stream;
  const Packed* packed;
  std::int64_t B, I, H, V;
  const Scalar* embedding;  // (tokens, I) or null: the stack takes indices
  // Of a table in fewer bits, which `embedding` is not: writes the rows (B, I) of tokens. Or null.
  void (*widen)(const void* kept, std::int64_t B, const std::int64_t* tokens, Scalar* x);
  const void* kept;
  decltype(LinearTable<Scalar>::forward) forward;
  const Scalar* weight;  // packed for `forward`
  const Scalar* bias;    // (V) or null
};
struct Drawing {
  std::int64_t* tokens;  // (B, capacity)
  std::int64_t capacity;
  std::int64_t* lengths;      // (B) tokens drawn so far
  std::uint8_t* done;         // (B) the row has ended
  std::int64_t* last;         // (B) the tokens that are fed next; all -1: vectors of zeros
  const std::uint8_t* stops;  // (V) 1: ends its row, and is kept as its last token; or null
};

template <class Scalar>
struct SamplingTable {
  // `draw` takes one token per row of logits (R, V), with the random number that belongs
  // to (seed, first_row + r, position); -1 where a logit is NaN or infinite. `feed` takes a step
  // per token, the same for all rows, -1 for a vector of zeros. `decode` feeds each row's last
  // token, steps and draws until each row has ended or is full, at most `count` times; not_finite
  // where `draw` gives -1.
  Status (*draw)(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits,
                 const DrawOptions& options, std::int64_t first_row, std::int64_t position,
                 std::int64_t* tokens);
  Status (*feed)(const Decoder<Scalar>& decoder, const std::int64_t* tokens, std::int64_t count,
                 int threads);
  Status (*decode)(const Decoder<Scalar>& decoder, const DrawOptions& options, Drawing& drawing,
                   std::int64_t count, int threads);
};

}  // namespace rnnfast
