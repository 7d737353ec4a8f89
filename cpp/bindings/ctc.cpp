// The CTC loss.
#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/ctc_search.h"
#include "bindings/finite.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// Raises ValueError unless every target is a class and not the blank.
void require_symbols(const std::int64_t* targets, std::int64_t count, std::int64_t V,
                     std::int64_t blank) {
  const auto* const wrong = std::find_if(targets, targets + count, [&](std::int64_t symbol) {
    return symbol < 0 || symbol >= V || symbol == blank;
  });
  if (wrong != targets + count)
    throw py::value_error("targets: expected classes from 0 to " + std::to_string(V - 1) +
                          " other than the blank " + std::to_string(blank) + ", got " +
                          std::to_string(*wrong));
}

template <class Scalar>
py::tuple ctc(const py::array& given, const py::array& targets, const py::array& offsets,
              const py::array& lengths, const py::object& weights, std::int64_t blank, double scale,
              bool backward) {
  if (given.ndim() != 3)
    throw py::value_error("logits: expected shape (T, B, V), got " + text_of(shape_of(given)));
  Held held[5];
  CtcProblem<Scalar> problem = {};
  problem.T = given.shape(0);
  problem.B = given.shape(1);
  problem.V = given.shape(2);
  problem.blank = blank;
  problem.logits = optional_data<Scalar>("logits", given, shape_of(given), held[0]);
  const std::int64_t count = targets.size();
  problem.targets = optional_data<std::int64_t>("targets", targets, {count}, held[1]);
  problem.offsets = optional_data<std::int64_t>("offsets", offsets, {problem.B + 1}, held[2]);
  problem.lengths = optional_data<std::int64_t>("lengths", lengths, {problem.B}, held[3]);
  problem.weights = optional_data<Scalar>("weights", weights, {problem.B}, held[4]);
  problem.scale = scale;
  if (blank < 0 || blank >= problem.V)
    throw py::value_error("blank: expected a class from 0 to " + std::to_string(problem.V - 1) +
                          ", got " + std::to_string(blank));
  require_symbols(problem.targets, count, problem.V, blank);
  if (problem.weights != nullptr && !all_finite(problem.weights, problem.B))
    throw_not_finite("weights");
  if (problem.offsets[0] != 0 || problem.offsets[problem.B] != count ||
      !std::is_sorted(problem.offsets, problem.offsets + problem.B + 1))
    throw py::value_error("offsets: expected ascending numbers from 0 to " + std::to_string(count));
  for (std::int64_t b = 0; b < problem.B; ++b)
    if (problem.lengths[b] < 0 || problem.lengths[b] > problem.T)
      throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(problem.T) +
                            ", got " + std::to_string(problem.lengths[b]));
  py::object dlogits = py::none();
  Scalar* to = nullptr;
  if (backward) {
    auto array = new_array<Scalar>(shape_of(given));
    to = array.mutable_data();
    dlogits = array;
  }
  const auto& table = *tables<Scalar>(kernels()).ctc;
  const int threads = thread_count();
  double loss = 0;
  Status status;
  {
    const Released release;
    status = table.loss(problem, &loss, to, threads);
  }
  require_ok(status);
  return py::make_tuple(loss, dlogits);
}

}  // namespace

void bind_ctc(py::module_& m) {
  m.def(
      "ctc",
      [](const py::array& logits, const py::array& targets, const py::array& offsets,
         const py::array& lengths, const py::object& weights, std::int64_t blank, double scale,
         bool backward) {
        return with_scalar_of("logits", logits, [&](auto scalar) {
          return ctc<decltype(scalar)>(logits, targets, offsets, lengths, weights, blank, scale,
                                       backward);
        });
      },
      py::arg("logits"), py::arg("targets"), py::arg("offsets"), py::arg("lengths"),
      py::arg("weights"), py::arg("blank"), py::arg("scale"), py::arg("backward"));
  bind_ctc_search(m);
}

}  // namespace rnnfast
