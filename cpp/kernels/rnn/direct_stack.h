// One step of one sequence through a stack on weights as callers have them.
#pragma once

#include <atomic>

#include "kernels/rnn/direct.h"
#include "kernels/rnn/plan.h"
#include "kernels/rnn/registry.h"

namespace rnnfast {

inline bool steps_directly(const StackShape& shape) {
  return steps_directly(*shape.cell) && !shape.projection && shape.window == 1;
}

template <class Scalar>
Status direct_stack_step(const StackShape& shape, const LayerParameters<const Scalar*>* parameters,
                         const Scalar* x, const Scalar* h0, const Scalar* c0, Scalar* h_n,
                         Scalar* c_n, int threads) {
  const std::int64_t H = shape.H;
  Buffer<Scalar> zero;
  if (h0 == nullptr && !zero.reserve_zeroed(H)) return Status::out_of_memory;
  Schedule schedule;
  if (!schedule.build(1, 1, nullptr)) return Status::out_of_memory;
  TeamPlan plan = Planner<Scalar>(shape, schedule, false, threads).choose();
  if (plan.pipelined) plan = {};
  const auto step = layer_kernel<Scalar>(*shape.cell).direct;
  std::atomic<bool> finite{true};
  run_team(plan, [&](const Worker& worker) {
    for (int l = 0; l < shape.L; ++l) {
      for (int d = 0; d < shape.D; ++d) {
        if (worker.groups > 1 && d != worker.group) continue;
        const int i = l * shape.D + d;
        const DirectLayer<Scalar> layer = {
            parameters[i],
            shape.input_of(l),
            H,
            l == 0 ? x : h_n + (l - 1) * shape.D * H,  // both directions of the layer below
            h0 != nullptr ? h0 + i * H : zero.data(),
            c0 != nullptr ? c0 + i * H : nullptr,
            h_n + i * H,
            c_n != nullptr ? c_n + i * H : nullptr};
        if (!step(layer, worker.my_blocks(blocks_of<Scalar>(H))))
          finite.store(false, std::memory_order_relaxed);
      }
      worker.all->wait();
    }
  });
  return finite.load() ? Status::ok : Status::not_finite;
}

}  // namespace rnnfast
