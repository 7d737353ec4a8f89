// The functions of a general cell's gates, as Python gives them.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "kernels/abi/recurrent.h"

namespace rnnfast {

// Of a direction: functions by ONNX's names with alpha and beta, the bound of what goes into those
// of gates, and whether the forget gate is 1 less the input gate.
using NamedFunctions =
    std::tuple<std::vector<std::tuple<std::string, double, double>>, double, bool>;

// Fills `functions` of a shape whose other fields are known: an entry for each direction, none for
// a cell that leaves no choice. Throws where they do not fit the cell.
void read_functions(const std::vector<NamedFunctions>& given, StackShape& shape);

// Whether gates are made of the same numbers in the same way.
bool alike(const GateFunctions& one, const GateFunctions& other);

}  // namespace rnnfast
