// Pooling over time: one vector of each sequence's many. Each number is taken from the first step
// to the last.
#pragma once

#include <cstdint>

namespace rnnfast {

// Outputs of layers, (T, B, W): the first F numbers of a step are those of the direction that reads
// forwards, the others of the one that reads backwards.
struct PooledSizes {
  std::int64_t T, B, W, F;
  const std::int64_t* lengths;  // (B) each in [0, T], or null: T; nothing past one is read

  std::int64_t steps(std::int64_t b) const { return lengths != nullptr ? lengths[b] : T; }
};

// What is made of them, rows `stride` apart, each (B, W) or null; 0 of a sequence of no steps.
template <class Scalar>
struct Pooled {
  Scalar* last;  // the forward direction's last step, the other one's first
  Scalar* mean;
  Scalar* most;           // the largest of each number; NaN of one that is NaN at some step
  std::int32_t* most_at;  // (B, W) contiguous, or null: the first step that has it
  std::int64_t stride;
};

// Gradients of the same, each null where `Pooled` had none.
template <class Scalar>
struct PooledGradients {
  const Scalar *last, *mean, *most;
  const std::int32_t* most_at;
  std::int64_t stride;
};

// Of h (T, B, W), whose steps and sequences are so many numbers apart.
template <class Scalar>
void pool(const PooledSizes& sizes, const Scalar* h, std::int64_t step, std::int64_t row,
          const Pooled<Scalar>& to);

// dh (T, B, W) contiguous, overwritten; 0 past a length.
template <class Scalar>
void pool_backward(const PooledSizes& sizes, const PooledGradients<Scalar>& gradients, Scalar* dh);

extern template void pool(const PooledSizes&, const float*, std::int64_t, std::int64_t,
                          const Pooled<float>&);
extern template void pool(const PooledSizes&, const double*, std::int64_t, std::int64_t,
                          const Pooled<double>&);
extern template void pool_backward(const PooledSizes&, const PooledGradients<float>&, float*);
extern template void pool_backward(const PooledSizes&, const PooledGradients<double>&, double*);

}  // namespace rnnfast
