// Inference in smaller numbers: what modules offer whose kernels multiply integers of 8 bits, or
// bfloat16. Chosen beside the kernels of a KernelTable, whose cells and shapes they take.
#pragma once

#include "kernels/abi/linear.h"
#include "kernels/abi/recurrent.h"
#include "kernels/abi/table.h"

namespace rnnfast {

// The last part is raised whenever a struct below changes.
constexpr int kReducedVersion = 100 * kTableVersion + 1;

// Of one kind of numbers.
struct ReducedNumbers {
  const char* name;  // "int8", "int8-16", "bfloat16"
  bool (*supports)(const CellDescriptor& cell);
  // What only training wants is null, and no step is made directly.
  RecurrentTable<float> recurrent;
  LinearTable<float> linear;
};

struct ReducedTable {
  int version;                           // kReducedVersion
  const char* level;                     // "v1", "v3", "vnni", "bf16", "amx"
  const ReducedNumbers* const* numbers;  // (count)
  int count;
  // Products of longer rows may be more than int32 holds.
  std::int64_t most_columns;
  bool (*has_teams)();
  const RoundedProduct* bfloat16_product;  // null: this CPU multiplies no such numbers
};

constexpr const char* kReducedCapsule = "rnnfast.reduced_table";

}  // namespace rnnfast
