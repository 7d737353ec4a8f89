#include <string>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// A checked array (steps, B, width) that can be read where it stands; -1: any size.
template <class Scalar>
struct SequenceArray {
  Held held;
  std::int64_t steps, batch_size, width;

  SequenceArray(const char* name, const py::array& given, std::int64_t wanted_steps,
                std::int64_t wanted_batch, std::int64_t wanted_width) {
    require_dtype<Scalar>(name, given);
    const auto fits = [](std::int64_t size, std::int64_t wanted) {
      return wanted < 0 || size == wanted;
    };
    if (given.ndim() != 3 || !fits(given.shape(0), wanted_steps) ||
        !fits(given.shape(1), wanted_batch) || !fits(given.shape(2), wanted_width)) {
      const auto text = [](std::int64_t size, const char* letter) {
        return size < 0 ? std::string(letter) : std::to_string(size);
      };
      throw py::value_error(std::string(name) + ": expected shape (" + text(wanted_steps, "T") +
                            ", " + text(wanted_batch, "B") + ", " + text(wanted_width, "K") +
                            "), got " + text_of(shape_of(given)));
    }
    held = Held(with_contiguous_rows(name, given));
    steps = held->shape(0);
    batch_size = held->shape(1);
    width = held->shape(2);
  }

  Sequences<const Scalar> view() const {
    constexpr auto size = static_cast<std::int64_t>(sizeof(Scalar));
    return {held.data<Scalar>(), held->strides(0) / size, held->strides(1) / size};
  }
};

// What a pass reads, checked.
template <class Scalar>
struct CheckedAttention {
  SequenceArray<Scalar> queries, keys, memory;
  Held lengths, score;
  AttentionInput<Scalar> in = {};

  CheckedAttention(const py::array& given_queries, const py::array& given_keys,
                   const py::array& given_memory, const py::object& given_lengths,
                   const py::object& given_score)
      : queries("queries", given_queries, -1, -1, -1),
        keys("keys", given_keys, -1, queries.batch_size, queries.width),
        memory("memory", given_memory, keys.steps, queries.batch_size, -1) {
    in.T = queries.steps;
    in.S = keys.steps;
    in.B = queries.batch_size;
    in.K = queries.width;
    in.M = memory.width;
    in.queries = queries.view();
    in.keys = keys.view();
    in.memory = memory.view();
    in.lengths = optional_data<std::int64_t>("lengths", given_lengths, {in.B}, lengths);
    for (std::int64_t b = 0; in.lengths != nullptr && b < in.B; ++b)
      if (in.lengths[b] < 0 || in.lengths[b] > in.S)
        throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(in.S) +
                              ", got " + std::to_string(in.lengths[b]));
    in.score = optional_data<Scalar>("score", given_score, {in.K}, score);
  }
};

// The contexts (T, B, M) and the weights (B, T, S).
template <class Scalar>
py::tuple attend(const CheckedAttention<Scalar>& checked) {
  const auto& in = checked.in;
  auto context = new_array<Scalar>({in.T, in.B, in.M});
  auto weights = new_array<Scalar>({in.B, in.T, in.S});
  Scalar *const to = context.mutable_data(), *const shares = weights.mutable_data();
  const auto& table = *tables<Scalar>(kernels()).attention;
  const int threads = thread_count();
  Status status;
  {
    const Unlocked others(in.T, in.B, in.S, in.K + in.M + 16);
    status = table.forward(in, to, shares, threads);
  }
  if (status == Status::not_finite) {
    PyErr_SetString(PyExc_FloatingPointError,
                    "scores: expected finite numbers, got NaN or infinity");
    throw py::error_already_set();
  }
  require_ok(status);
  return py::make_tuple(context, weights);
}

// The gradients of queries, keys, memory and score, the last one None without a score.
template <class Scalar>
py::tuple attend_backward(const CheckedAttention<Scalar>& checked, const py::array& given_dcontext,
                          const py::array& given_weights) {
  const auto& in = checked.in;
  const SequenceArray<Scalar> dcontext("dcontext", given_dcontext, in.T, in.B, in.M);
  Held weights;
  AttentionGradients<Scalar> g = {};
  g.dcontext = dcontext.view();
  g.weights = optional_data<Scalar>("weights", given_weights, {in.B, in.T, in.S}, weights);
  auto dqueries = new_array<Scalar>({in.T, in.B, in.K});
  auto dkeys = new_array<Scalar>({in.S, in.B, in.K});
  auto dmemory = new_array<Scalar>({in.S, in.B, in.M});
  g.dqueries = dqueries.mutable_data();
  g.dkeys = dkeys.mutable_data();
  g.dmemory = dmemory.mutable_data();
  py::object dscore = py::none();
  if (in.score != nullptr) {
    auto array = new_array<Scalar>({in.K});
    g.dscore = array.mutable_data();
    dscore = array;
  }
  const auto& table = *tables<Scalar>(kernels()).attention;
  const int threads = thread_count();
  Status status;
  {
    const Released release;
    status = table.backward(in, g, threads);
  }
  require_ok(status);
  return py::make_tuple(dqueries, dkeys, dmemory, dscore);
}

}  // namespace

void bind_attention(py::module_& m) {
  m.def(
      "attend",
      [](const py::array& queries, const py::array& keys, const py::array& memory,
         const py::object& lengths, const py::object& score) {
        return with_scalar_of("queries", queries, [&](auto scalar) {
          return attend(CheckedAttention<decltype(scalar)>(queries, keys, memory, lengths, score));
        });
      },
      py::arg("queries"), py::arg("keys"), py::arg("memory"), py::arg("lengths"), py::arg("score"));
  m.def(
      "attend_backward",
      [](const py::array& queries, const py::array& keys, const py::array& memory,
         const py::object& lengths, const py::object& score, const py::array& dcontext,
         const py::array& weights) {
        return with_scalar_of("queries", queries, [&](auto scalar) {
          return attend_backward(
              CheckedAttention<decltype(scalar)>(queries, keys, memory, lengths, score), dcontext,
              weights);
        });
      },
      py::arg("queries"), py::arg("keys"), py::arg("memory"), py::arg("lengths"), py::arg("score"),
      py::arg("dcontext"), py::arg("weights"));
}

}  // namespace rnnfast
