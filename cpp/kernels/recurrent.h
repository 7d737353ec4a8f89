// Passes over a stack of layers: the functions of RecurrentTable.
#pragma once

#include "kernels/recurrent_table.h"
#include "kernels/stack.h"
#include "kernels/stream.h"

namespace rnnfast {

template <class Scalar>
Status stack_forward(const PackedStack<Scalar>& packed, const SequenceInput<Scalar>& input,
                     const SequenceOutput<Scalar>& output, Dropout dropout,
                     StackCache<Scalar>** kept, int threads) {
  std::unique_ptr<StackCache<Scalar>> cache(new (std::nothrow) StackCache<Scalar>);
  if (!cache) return Status::out_of_memory;
  StackCache<Scalar>& c = *cache;
  const StackShape& shape = packed.shape;
  c.shape = shape;
  c.keep = kept != nullptr;
  c.input = input;
  c.output = output;
  c.dropout = dropout;
  if (!c.schedule.build(input.T, input.B, input.lengths) || !c.allocate(packed))
    return Status::out_of_memory;
  if (c.keep && input.h0 != nullptr) {
    const std::int64_t size = shape.L * shape.D * input.B * shape.P;
    if (!c.h0.reserve(size)) return Status::out_of_memory;
    std::memcpy(c.h0.data(), input.h0, static_cast<std::size_t>(size) * sizeof(Scalar));
    c.input.h0 = c.h0.data();
  }
  const auto& kernel = layer_kernel<Scalar>(shape.cell);
  const TeamPlan plan = plan_team(shape, input.B, c.schedule.steps, c.schedule.rows,
                                  packed.layers[0].units, threads, sizeof(Scalar));
  run_team(plan, [&](const Worker& worker) {
    if (input.lengths != nullptr)
      clear_padding(c.schedule, input.T, output.y, output.y_time, output.y_batch, c.width(),
                    worker);
    for (int l = 0; l < shape.L; ++l) {
      for (int d = 0; d < shape.D; ++d) {
        if (worker.groups == 2 && d != worker.group) continue;
        c.build_rows(l, d, share(c.schedule.steps, worker.member, worker.members));
        const LayerPass<Scalar> pass = c.pass(packed, l, d);
        c.begin_carry(pass, l, d, worker);
        worker.own->wait();
        kernel.forward(pass, worker);
        worker.own->wait();
        c.final_states(pass, l, d, worker);
        // The rows are rebuilt for the next layer or read by the next direction.
        worker.own->wait();
      }
      worker.all->wait();
      if (c.drops() && l + 1 < shape.L) {
        c.apply_dropout(l, c.y[l].data(), c.dropped[l].data(), worker);
        worker.all->wait();
      }
    }
  });
  if (kept != nullptr) *kept = cache.release();
  return Status::ok;
}

// Scratch of one group of threads in backpropagation.
template <class Scalar>
struct GradientScratch {
  Buffer<Scalar> dcarry, d_output, products, left;
};

template <class Scalar>
Status stack_backward(const PackedStack<Scalar>& packed, StackCache<Scalar>& c,
                      const SequenceGradients<Scalar>& gradients, int threads) {
  constexpr int V = lanes<Scalar>;
  const StackShape& shape = packed.shape;
  const std::int64_t R = c.schedule.rows, B = c.schedule.B;
  const auto& kernel = layer_kernel<Scalar>(shape.cell);
  const TeamPlan plan =
      plan_team(shape, B, c.schedule.steps, R, packed.layers[0].units, threads, sizeof(Scalar));
  GradientScratch<Scalar> scratch[2];
  for (int g = 0; g < plan.groups; ++g) {
    std::int64_t products = 0, left = 0;
    for (int i = 0; i < shape.L * shape.D; ++i) {
      const auto sizes = gradient_sizes(packed.layers[i]);
      products = std::max(products, sizes.products);
      left = std::max(left, sizes.left);
    }
    const auto& any = packed.layers[0];
    auto& s = scratch[g];
    if (!s.dcarry.reserve(any.units * B * V) || !s.products.reserve(products) ||
        !s.left.reserve(left) || (shape.projection && !s.d_output.reserve(any.outputs * R * V)))
      return Status::out_of_memory;
  }
  Buffer<Scalar> between[2];  // gradients of the outputs of layers but the last, in turns
  if (shape.L > 1 &&
      (!between[0].reserve(R * c.width()) || (shape.L > 2 && !between[1].reserve(R * c.width()))))
    return Status::out_of_memory;
  for (int d = 0; d < shape.D; ++d)
    if (!c.dy_rows[d].reserve(R) || !c.dx_rows[d].reserve(R)) return Status::out_of_memory;

  run_team(plan, [&](const Worker& worker) {
    if (gradients.dx != nullptr && c.input.lengths != nullptr)
      clear_padding(c.schedule, c.input.T, gradients.dx, gradients.dx_time, gradients.dx_batch,
                    shape.I, worker);
    for (int l = shape.L - 1; l >= 0; --l) {
      Scalar* dx = l > 0 ? between[(l - 1) % 2].data() : nullptr;
      const Scalar* dy = l + 1 < shape.L ? between[l % 2].data() : nullptr;
      const bool wants_dx = l > 0 || gradients.dx != nullptr;
      for (int d = 0; d < shape.D; ++d) {
        if (worker.groups == 2 && d != worker.group) continue;
        const Range steps = share(c.schedule.steps, worker.member, worker.members);
        c.build_rows(l, d, steps);
        c.build_gradient_rows(l, d, steps, gradients, dy, dx);
        const int i = l * shape.D + d;
        auto& s = scratch[worker.groups == 2 ? d : 0];
        LayerGradients<Scalar> g;
        g.dy = dy != nullptr || gradients.dy != nullptr ? c.dy_rows[d].data() : nullptr;
        g.dh_n = gradients.dh_n ? gradients.dh_n + i * B * shape.P : nullptr;
        g.dc_n = gradients.dc_n ? gradients.dc_n + i * B * shape.H : nullptr;
        g.dh0 = gradients.dh0 ? gradients.dh0 + i * B * shape.P : nullptr;
        g.dc0 = gradients.dc0 ? gradients.dc0 + i * B * shape.H : nullptr;
        g.dx = wants_dx && worker.groups == 1 ? c.dx_rows[d].data() : nullptr;
        g.dx_add = d > 0;
        g.parameters = gradients.parameters[i];
        g.dcarry = s.dcarry.data();
        g.d_output = s.d_output.data();
        g.products = s.products.data();
        g.left = s.left.data();
        worker.own->wait();
        kernel.backward(c.pass(packed, l, d), g, worker);
        worker.own->wait();
      }
      worker.all->wait();
      if (wants_dx && worker.groups == 2) {
        // Both directions add to the same rows: one after the other, by everybody. Rows of the
        // second direction lie elsewhere, so that it waits for the first.
        for (int d = 0; d < shape.D; ++d) {
          input_gradient(c.pass(packed, l, d), c.dx_rows[d].data(), d > 0, {0, R}, worker.rank,
                         worker.size);
          worker.all->wait();
        }
      }
      if (c.drops() && l > 0) {
        c.apply_dropout(l - 1, dx, dx, worker);
        worker.all->wait();
      }
    }
  });
  return Status::ok;
}

template <class Scalar>
RecurrentTable<Scalar> make_recurrent_table() {
  using Stack = PackedStack<Scalar>;
  using Kept = StackCache<Scalar>;
  using Steps = StackStream<Scalar>;
  RecurrentTable<Scalar> t = {};
  t.packed_create = [](const StackShape& shape) {
    return reinterpret_cast<Packed*>(Stack::create(shape));
  };
  t.pack = [](Packed* packed, const LayerParameters<const Scalar*>* parameters, bool backward,
              int threads) {
    return reinterpret_cast<Stack*>(packed)->pack(parameters, backward, threads);
  };
  t.packed_free = [](Packed* packed) { delete reinterpret_cast<Stack*>(packed); };
  t.forward = [](const Packed* packed, const SequenceInput<Scalar>& input,
                 const SequenceOutput<Scalar>& output, Dropout dropout, Cache** cache,
                 int threads) {
    return stack_forward(*reinterpret_cast<const Stack*>(packed), input, output, dropout,
                         reinterpret_cast<Kept**>(cache), threads);
  };
  t.backward = [](const Packed* packed, Cache* cache, const SequenceGradients<Scalar>& gradients,
                  int threads) {
    return stack_backward(*reinterpret_cast<const Stack*>(packed), *reinterpret_cast<Kept*>(cache),
                          gradients, threads);
  };
  t.cache_bytes = [](const Cache* cache) { return reinterpret_cast<const Kept*>(cache)->bytes(); };
  t.cache_free = [](Cache* cache) { delete reinterpret_cast<Kept*>(cache); };
  t.dropout_mask = [](Dropout dropout, int layer, std::int64_t T, std::int64_t B,
                      std::int64_t width, Scalar* mask) {
    const DropoutFactors<Scalar> factor(dropout, layer);
    const std::int64_t drawn = (dropout.every_step_alike ? 1 : T) * B * width;
    for (std::int64_t i = 0; i < T * B * width; ++i) mask[i] = factor(i % drawn);
  };
  t.stream_create = [](const Packed* packed, std::int64_t B) {
    return reinterpret_cast<Stream*>(Steps::create(*reinterpret_cast<const Stack*>(packed), B));
  };
  t.stream_step = [](Stream* stream, const Packed* packed, const Scalar* x,
                     const std::int64_t* indices, Scalar* y, int threads) {
    reinterpret_cast<Steps*>(stream)->step(*reinterpret_cast<const Stack*>(packed), x, indices, y,
                                           threads);
  };
  t.stream_get = [](const Stream* stream, Scalar* h, Scalar* c) {
    reinterpret_cast<const Steps*>(stream)->get(h, c);
  };
  t.stream_set = [](Stream* stream, const Scalar* h, const Scalar* c) {
    reinterpret_cast<Steps*>(stream)->set(h, c);
  };
  t.stream_free = [](Stream* stream) { delete reinterpret_cast<Steps*>(stream); };
  return t;
}

}  // namespace rnnfast
