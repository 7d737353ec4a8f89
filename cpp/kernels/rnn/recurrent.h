// The functions of RecurrentTable.
#pragma once

#include <algorithm>

#include "kernels/abi/recurrent.h"
#include "kernels/rnn/direct_stack.h"
#include "kernels/rnn/kept_gates.h"
#include "kernels/rnn/passes.h"
#include "kernels/rnn/stream.h"

namespace rnnfast {

template <class Scalar>
RecurrentTable<Scalar> make_recurrent_table() {
  using Stack = PackedStack<Scalar>;
  using Kept = StackCache<Scalar>;
  using Steps = StackStream<Scalar>;
  RecurrentTable<Scalar> t = {};
  t.packed_create = [](const StackShape& shape) {
    return reinterpret_cast<Packed*>(Stack::create(shape));
  };
  t.pack = [](Packed* packed, const LayerParameters<const Scalar*>* parameters, int threads) {
    reinterpret_cast<Stack*>(packed)->pack(parameters, threads);
    return Status::ok;
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
    return StackBackward<Scalar>(*reinterpret_cast<const Stack*>(packed),
                                 *reinterpret_cast<Kept*>(cache), gradients)
        .run(threads);
  };
  t.cache_bytes = [](const Cache* cache) { return reinterpret_cast<const Kept*>(cache)->bytes(); };
  t.kept_gate = [](const Packed* packed, const Cache* cache, int l, int d, int gate, Scalar* to) {
    return kept_gate(*reinterpret_cast<const Stack*>(packed), *reinterpret_cast<const Kept*>(cache),
                     l, d, gate, to);
  };
  t.cache_free = [](Cache* cache) { delete reinterpret_cast<Kept*>(cache); };
  t.steps_directly = [](const StackShape& shape) { return steps_directly(shape); };
  t.direct_step = direct_stack_step<Scalar>;
  t.dropout_mask = [](Dropout dropout, int layer, std::int64_t T, std::int64_t B,
                      std::int64_t width, Scalar* mask) {
    const DropoutFactors<Scalar> factor(dropout, layer);
    const std::int64_t drawn =
        (dropout.every_step_alike ? std::min<std::int64_t>(1, T) : T) * B * width;
    std::fill_n(mask, drawn, Scalar(1));
    factor.multiply(0, drawn, mask, mask);
    for (std::int64_t i = drawn; i < T * B * width; i += drawn) std::copy_n(mask, drawn, mask + i);
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
