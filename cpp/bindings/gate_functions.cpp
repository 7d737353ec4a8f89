#include "bindings/gate_functions.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace rnnfast {

namespace {

namespace py = pybind11;

// By GateFunctionKind.
constexpr const char* kNames[] = {
    "Sigmoid",    "Tanh",        "Relu", "Affine",   "LeakyRelu", "ThresholdedRelu",
    "ScaledTanh", "HardSigmoid", "Elu",  "Softsign", "Softplus"};
static_assert(std::size(kNames) == kGateFunctionKinds);

GateFunctionKind kind_named(const std::string& name) {
  const auto* const found =
      std::find_if(std::begin(kNames), std::end(kNames), [&](const char* n) { return name == n; });
  if (found == std::end(kNames))
    throw py::value_error("functions: expected names of known ones, got '" + name + "'");
  return static_cast<GateFunctionKind>(found - std::begin(kNames));
}

}  // namespace

void read_functions(const std::vector<NamedFunctions>& given, StackShape& shape) {
  const CellDescriptor& cell = *shape.cell;
  if (shape.D < 1 || shape.D > 2)
    throw py::value_error("num_directions: expected 1 or 2, got " + std::to_string(shape.D));
  const std::size_t expected = cell.general() ? static_cast<std::size_t>(shape.D) : 0;
  if (given.size() != expected)
    throw py::value_error("functions: expected " + std::to_string(expected) +
                          " entries for the cell '" + std::string(cell.name) + "', got " +
                          std::to_string(given.size()));
  for (std::size_t d = 0; d < given.size(); ++d) {
    const auto& [functions, clip, coupled] = given[d];
    GateFunctions& to = shape.functions[d];
    if (functions.size() != static_cast<std::size_t>(cell.function_count))
      throw py::value_error("functions: expected " + std::to_string(cell.function_count) +
                            " for the cell '" + std::string(cell.name) + "', got " +
                            std::to_string(functions.size()));
    if (!(clip > 0))
      throw py::value_error("clip: expected a number above 0, got " + std::to_string(clip));
    if (coupled && !cell.has_memory())
      throw py::value_error("coupled: expected False for the cell '" + std::string(cell.name) +
                            "', which has no forget gate, got True");
    for (std::size_t i = 0; i < functions.size(); ++i) {
      const auto& [name, alpha, beta] = functions[i];
      to.of[i] = {kind_named(name), alpha, beta};
    }
    to.clip = clip;
    to.coupled = coupled;
  }
}

bool alike(const GateFunctions& one, const GateFunctions& other) {
  const auto same = [](const GateFunction& a, const GateFunction& b) {
    return a.kind == b.kind && a.alpha == b.alpha && a.beta == b.beta;
  };
  return std::equal(std::begin(one.of), std::end(one.of), std::begin(other.of), same) &&
         one.clip == other.clip && one.coupled == other.coupled;
}

}  // namespace rnnfast
