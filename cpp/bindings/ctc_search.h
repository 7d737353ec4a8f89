// The search for what a network of CTC says, bound beside its loss.
#pragma once

#include <pybind11/pybind11.h>

namespace rnnfast {

void bind_ctc_search(pybind11::module_& m);

}  // namespace rnnfast
