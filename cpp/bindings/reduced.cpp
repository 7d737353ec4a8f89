#include "bindings/reduced.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace py = pybind11;

namespace rnnfast {

namespace {

const ReducedTable* reduced_in_use = nullptr;

// Kernels some of whose functions are others.
struct Changed {
  KernelTable table;
  RecurrentTable<float> recurrent;
};

// None: those that fit the kernels in use, when they are first asked for.
void use_reduced(const std::optional<py::capsule>& given) {
  if (!given) {
    reduced_in_use = nullptr;
    return;
  }
  const py::capsule& capsule = *given;
  if (capsule.name() == nullptr || std::string(capsule.name()) != kReducedCapsule)
    throw py::type_error("capsule: expected a table of smaller numbers, got another capsule");
  const auto* table = capsule.get_pointer<const ReducedTable>();
  if (table->version != kReducedVersion)
    throw py::value_error("capsule: expected kernels of version " +
                          std::to_string(kReducedVersion) + ", got " +
                          std::to_string(table->version));
  reduced_in_use = table;
}

const ReducedTable& reduced() {
  // Not at import: for tiles of numbers the system is asked, which makes every signal's frame
  // larger.
  if (reduced_in_use == nullptr)
    py::module_::import("rnnfast._dispatch").attr("choose_reduced_level")();
  if (reduced_in_use == nullptr)
    throw std::runtime_error("numbers: found no kernels of smaller numbers for this CPU");
  return *reduced_in_use;
}

}  // namespace

const ReducedNumbers& reduced_numbers(const std::string& name, bool is_double) {
  if (is_double)
    throw py::value_error("numbers: expected float32 for parameters of float64, got " +
                          std::string(py::repr(py::str(name))));
  std::string known;
  for (int i = 0; i < reduced().count; ++i) {
    if (name == reduced().numbers[i]->name) return *reduced().numbers[i];
    known += ", " + std::string(reduced().numbers[i]->name);
  }
  throw py::value_error("numbers: expected one of float32" + known + ", got " +
                        std::string(py::repr(py::str(name))));
}

const RoundedProduct* bfloat16_product() { return reduced().bfloat16_product; }

void require_columns(const char* name, std::int64_t columns) {
  if (columns > reduced().most_columns)
    throw py::value_error(std::string(name) + ": expected at most " +
                          std::to_string(reduced().most_columns) +
                          " numbers in a row of smaller numbers, got " + std::to_string(columns));
}

const KernelTable& kernels_for(const std::string& numbers, const StackShape& shape,
                               bool is_double) {
  if (numbers == "float32") return kernels();
  const ReducedNumbers& kind = reduced_numbers(numbers, is_double);
  if (!kind.supports(*shape.cell))
    throw py::value_error("numbers: expected a cell that has kernels of " + numbers + ", got '" +
                          shape.cell->name + "'");
  require_columns("input_size", shape.I);
  require_columns("hidden_size", shape.D * std::max(shape.H, shape.P));
  static std::map<std::pair<const KernelTable*, const ReducedNumbers*>, std::unique_ptr<Changed>>
      made;
  auto& changed = made[{&kernels(), &kind}];
  if (changed == nullptr) {
    changed = std::make_unique<Changed>(Changed{kernels(), kind.recurrent});
    changed->recurrent.dropout_mask = kernels().f32.recurrent->dropout_mask;
    changed->table.f32.recurrent = &changed->recurrent;
  }
  return changed->table;
}

void bind_reduced(py::module_& m) {
  m.def("use_reduced", &use_reduced, py::arg("capsule").none(true));
  m.def("reduced_level", [] { return reduced().level; });
  m.def("multiplies_bfloat16", [] { return bfloat16_product() != nullptr; });
}

}  // namespace rnnfast
