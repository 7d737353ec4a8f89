// Passes straight on another library's tensors.
#pragma once

#include <memory>
#include <vector>

#include "bindings/recurrent.h"
#include "bindings/tensor_access.h"

namespace rnnfast {

// The weights of a call: packed ones, or tensors. A single step of one sequence reads tensors as
// they are, where the cell allows it; else their bits are compared with the packed ones.
struct GivenWeights {
  std::vector<py::object> tensors;
  std::shared_ptr<const PackedWeights> packed;
};

struct TensorCall {
  bool batch_first, cell;
  bool only_one;              // answers single steps of one sequence alone
  const py::object& threads;  // a function: how many there may be
};

// What a layer or a cell of PyTorch returns for x and the state `hx`, without gradients; None where
// it is not as quick or as simple as that: where an argument is not just what is expected, in
// dtype, shape, memory or place, and where a number is not finite or came not to be. Nothing has
// changed then. Others run beside it, unless it is short.
//
// Layers take x (T, B, I), or (B, T, I), or (T, I) and states (L*D, B, P) or (L*D, P). `cell`: one
// step, x (B, I) or (I), states (B, P) or (P), and only the state is returned.
py::object step_on_tensors(Recurrent& self, const TensorAccess& access, const GivenWeights& weights,
                           const py::handle& x, const py::handle& hx, TensorCall call);

}  // namespace rnnfast
