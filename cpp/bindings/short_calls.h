// Calls of a recurrent layer that last a few microseconds.
#pragma once

#include "bindings/recurrent.h"

namespace rnnfast {

// What `forward` computes, as callers have it, if little is to be done and the arguments are what
// the kernels read as it stands: (y, h_n) or (y, (h_n, c_n)), and, to `keep`, a ForwardCache behind
// them. x: a plain array (T, B, I), or (B, T, I) with `batch_first`; `state`: None, or a plain
// array of h, or a pair of those. None for all else, and where something is wrong: `forward` takes
// what this leaves, and says what it lacks.
py::object short_call(Recurrent& self, const py::handle& x, const py::handle& state,
                      bool batch_first, bool keep);

}  // namespace rnnfast
