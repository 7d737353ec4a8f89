// Inference in smaller numbers, as bindings choose it.
#pragma once

#include <string>

#include "bindings/module.h"
#include "kernels/abi/reduced.h"

namespace rnnfast {

// A kind of numbers, not "float32", by its name. Throws where there is none of it, or for float64.
const ReducedNumbers& reduced_numbers(const std::string& name, bool is_double);

// The kernels in use, or for other numbers than "float32" ones whose recurrent layers are of those:
// an object that stays. Throws where a stack of this shape and dtype is none that they take.
const KernelTable& kernels_for(const std::string& numbers, const StackShape& shape, bool is_double);

// Products of bfloat16; null where the CPU multiplies none.
const RoundedProduct* bfloat16_product();

// Throws where rows are longer than kernels of smaller numbers take.
void require_columns(const char* name, std::int64_t columns);

}  // namespace rnnfast
