// What a module of PyTorch does at its next call, made ready by the one before.
#pragma once

#include <pybind11/pybind11.h>

namespace rnnfast {

void bind_ready_calls(pybind11::module_& m);

}  // namespace rnnfast
