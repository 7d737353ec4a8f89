// Rows become the lanes of a panel, and back.
#pragma once

#include "kernels/core/simd.h"

namespace rnnfast {

// to[k * ldt + v] = from[v * ldf + k] for v < units, 0 up to V; k < K. V of `from`'s rows become
// the lanes of a panel.
template <class Scalar>
void pack_lanes(const Scalar* from, std::int64_t ldf, std::int64_t units, std::int64_t K,
                Scalar* to, std::int64_t ldt) {
  constexpr int V = lanes<Scalar>;
  std::int64_t k = 0;
  if (units >= V) {
    for (; k + V <= K; k += V) {
      Square<Scalar> block;
      for (int v = 0; v < V; ++v) block.packet[v] = load(from + v * ldf + k);
      transpose(block);
      for (int j = 0; j < V; ++j) store(to + (k + j) * ldt, block.packet[j]);
    }
  }
  for (; k < K; ++k)
    for (std::int64_t v = 0; v < V; ++v)
      to[k * ldt + v] = v < units ? from[v * ldf + k] : Scalar(0);
}

// The way back, added: to[v * ldt + k] += from[k * ldf + v] for v < units.
template <class Scalar>
void unpack_lanes_add(const Scalar* from, std::int64_t ldf, std::int64_t units, std::int64_t K,
                      Scalar* to, std::int64_t ldt) {
  constexpr int V = lanes<Scalar>;
  std::int64_t k = 0;
  if (units >= V) {
    for (; k + V <= K; k += V) {
      Square<Scalar> block;
      for (int j = 0; j < V; ++j) block.packet[j] = load(from + (k + j) * ldf);
      transpose(block);
      for (int v = 0; v < V; ++v) {
        Scalar* row = to + v * ldt + k;
        store(row, add(load(static_cast<const Scalar*>(row)), block.packet[v]));
      }
    }
  }
  const std::int64_t used = units < V ? units : V;
  for (; k < K; ++k)
    for (std::int64_t v = 0; v < used; ++v) to[v * ldt + k] += from[k * ldf + v];
}

}  // namespace rnnfast
