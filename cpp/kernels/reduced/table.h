// The functions of ReducedNumbers for one kind of numbers.
#pragma once

#include "kernels/abi/reduced.h"
#include "kernels/reduced/linear.h"
#include "kernels/reduced/stream.h"

namespace rnnfast::reduced {

template <class N>
Status stack_forward(const Stack<N>& stack, const SequenceInput<float>& input,
                     const SequenceOutput<float>& output, int threads) {
  Schedule schedule;
  if (!schedule.build(input.T, input.B, input.lengths)) return Status::out_of_memory;
  schedule.packed = input.packed;
  const TeamPlan plan = plan_of(stack, schedule, threads);
  Pass<N> pass;
  if (!pass.reserve(stack, schedule, plan.split_rows ? plan.threads : plan.groups))
    return Status::out_of_memory;
  const std::int64_t width = stack.shape.D * stack.shape.P;
  Everywhere finite;
  bool refused = false;
  run_team(plan, [&](Worker worker) {
    if (input.x != nullptr &&
        !finite.all(worker, is_finite(schedule, input.x, input.x_time, input.x_batch, stack.shape.I,
                                      worker))) {
      if (worker.rank == 0) refused = true;
      return;
    }
    if (worker.split_rows) worker.rows = schedule.deal(worker.member, worker.members);
    if (input.lengths != nullptr && !input.packed)
      clear_padding(schedule, input.T, output.y, output.y_time, output.y_batch, width, worker);
    pass.run(stack, schedule, input, output, worker);
  });
  return refused ? Status::not_finite : Status::ok;
}

template <class N>
RecurrentTable<float> make_recurrent() {
  using Packing = Stack<N>;
  using Steps = StackStream<N>;
  RecurrentTable<float> t = {};
  t.packed_create = [](const StackShape& shape) {
    return reinterpret_cast<Packed*>(Packing::create(shape));
  };
  t.pack = [](Packed* packed, const LayerParameters<const float*>* parameters, int threads) {
    return reinterpret_cast<Packing*>(packed)->pack(parameters, threads);
  };
  t.packed_free = [](Packed* packed) { delete reinterpret_cast<Packing*>(packed); };
  t.forward = [](const Packed* packed, const SequenceInput<float>& input,
                 const SequenceOutput<float>& output, Dropout, Cache**, int threads) {
    return stack_forward(*reinterpret_cast<const Packing*>(packed), input, output, threads);
  };
  t.steps_directly = [](const StackShape&) { return false; };
  t.stream_create = [](const Packed* packed, std::int64_t B) {
    return reinterpret_cast<Stream*>(Steps::create(*reinterpret_cast<const Packing*>(packed), B));
  };
  t.stream_step = [](Stream* stream, const Packed* packed, const float* x,
                     const std::int64_t* indices, float* y, int threads) {
    reinterpret_cast<Steps*>(stream)->step(*reinterpret_cast<const Packing*>(packed), x, indices, y,
                                           threads);
  };
  t.stream_get = [](const Stream* stream, float* h, float* c) {
    reinterpret_cast<const Steps*>(stream)->get(h, c);
  };
  t.stream_set = [](Stream* stream, const float* h, const float* c) {
    reinterpret_cast<Steps*>(stream)->set(h, c);
  };
  t.stream_free = [](Stream* stream) { delete reinterpret_cast<Steps*>(stream); };
  return t;
}

template <class N>
ReducedNumbers make_numbers(const char* name) {
  ReducedNumbers numbers = {
      name,
      [](const CellDescriptor& cell) { return reduced_cell(cell) != nullptr; },
      make_recurrent<N>(),
      {}};
  numbers.linear.packed_size = Linear<N>::packed_size;
  numbers.linear.pack = Linear<N>::pack;
  numbers.linear.forward = Linear<N>::forward;
  return numbers;
}

}  // namespace rnnfast::reduced
