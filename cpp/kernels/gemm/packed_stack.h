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
  bool backward = false;                          // whether there is what backpropagation reads
  bool input_gradient = false;  // whether the first layers have what the gradient of x needs
  bool input_wanted = false;    // since the last change of the weights

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

  Status pack(const Parameters* parameters, bool for_backward, int threads) {
    std::int64_t size = 0;
    for (int i = 0; i < shape.L * shape.D; ++i) {
      if (for_backward && !layers[i].create_backward()) return Status::out_of_memory;
      if (for_backward && i >= shape.D && !layers[i].create_input_gradient())
        return Status::out_of_memory;
      size += layers[i].forward_memory.bytes();
    }
    backward = for_backward;
    input_gradient = input_wanted = false;
    parallel(useful_threads(threads, size, 1 << 17), [&](int rank, int members) {
      repack(parameters, rank, members, [](const Scalar*, std::int64_t) {});
    });
    return Status::ok;
  }

  // The rest of what backpropagation reads if the gradient of x is wanted.
  bool need_input_gradient(int threads) {
    input_wanted = true;
    if (input_gradient) return true;
    for (int d = 0; d < shape.D; ++d)
      if (!layers[d].create_input_gradient()) return false;
    const std::int64_t size = shape.D * layers[0].input_memory.bytes();
    parallel(useful_threads(threads, size, 1 << 17), [&](int rank, int members) {
      for (int d = 0; d < shape.D; ++d) {
        const Range mine = share(layers[d].units, rank, members);
        for (std::int64_t u = mine.begin; u < mine.end; ++u) layers[d].pack_input_gradient(u);
      }
    });
    input_gradient = true;
    return true;
  }

  // Before the weights change and `repack` follows: what nobody used is not made again.
  void begin_repack() {
    input_gradient = input_gradient && input_wanted;
    input_wanted = false;
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
        layer.pack(parameters[i], u, backward);
        if (i < shape.D ? input_gradient : backward) layer.pack_input_gradient(u);
      }
      if (!layer.projection) continue;
      const Range outputs = share(layer.outputs, rank, members);
      for (std::int64_t o = outputs.begin; o < outputs.end; ++o) {
        layer.for_projection_values(parameters[i], o, f);
        layer.pack_projection(parameters[i], o, backward);
      }
    }
  }
};

}  // namespace rnnfast
