// The weights of a stack of layers, each in one or two directions, in the kernels' order.
#pragma once

#include <memory>
#include <new>

#include "kernels/gemm/pack.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

// The opaque Packed of the tables.
template <class Scalar>
struct PackedStack {
  using Parameters = LayerParameters<const Scalar*>;

  StackShape shape;
  std::unique_ptr<PackedLayer<Scalar>[]> layers;  // L*D

  static PackedStack* create(const StackShape& shape) {
    std::unique_ptr<PackedStack> stack(new (std::nothrow) PackedStack);
    if (!stack) return nullptr;
    stack->shape = shape;
    stack->layers.reset(new (std::nothrow) PackedLayer<Scalar>[shape.L * shape.D]);
    if (!stack->layers) return nullptr;
    for (int i = 0; i < shape.L * shape.D; ++i)
      if (!stack->layers[i].create(shape, i / shape.D, i % shape.D)) return nullptr;
    return stack.release();
  }

  void pack(const Parameters* parameters, int threads) {
    std::int64_t size = 0;
    for (int i = 0; i < shape.L * shape.D; ++i) size += layers[i].memory.bytes();
    parallel(useful_threads(threads, size, 1 << 17), [&](int rank, int members) {
      repack(parameters, rank, members, [](const Scalar*, std::int64_t) {});
    });
  }

  // Packs a thread's share again, into the memory that it has. Told of the values block by block
  // before they are read: f(first, count of neighbours); all threads see each value once.
  template <class F>
  void repack(const Parameters* parameters, int rank, int members, const F& f) {
    for (int i = 0; i < shape.L * shape.D; ++i) {
      PackedLayer<Scalar>& layer = layers[i];
      const Range units = share(layer.units, rank, members);
      for (std::int64_t u = units.begin; u < units.end; ++u) {
        layer.for_values(parameters[i], u, f);
        layer.pack(parameters[i], u);
      }
      if (!layer.projection) continue;
      const Range outputs = share(layer.outputs, rank, members);
      for (std::int64_t o = outputs.begin; o < outputs.end; ++o) {
        layer.for_projection_values(parameters[i], o, f);
        layer.pack_projection(parameters[i], o);
      }
    }
  }
};

}  // namespace rnnfast
