// Short passes straight on another library's tensors.
#pragma once

#include "bindings/dlpack.h"
#include "bindings/recurrent.h"

namespace rnnfast {

// How tensors of a library are looked at and made: by its DLPack functions.
class TensorAccess {
 public:
  // `kinds`: the exact types whose numbers are those in memory where `is_neg` says False.
  TensorAccess(const py::capsule& api, const py::tuple& kinds);

  // Whether `given` is a tensor of one of the kinds, of this element type, in aligned memory of
  // the CPU. False leaves no exception. `kept` takes what holds that memory, whatever becomes of
  // the tensor: for those that let other threads run.
  template <class Scalar>
  bool view(const py::handle& given, dlpack::Tensor* out,
            std::vector<py::object>* kept = nullptr) const;

  // A tensor that is not initialised, and where its numbers lie.
  template <class Scalar>
  py::object make(const std::vector<std::int64_t>& shape, Scalar** data) const;

 private:
  const dlpack::ExchangeApi* api_;
  py::tuple kinds_;
  py::str is_neg_, detach_;
};

// What a layer or a cell of PyTorch returns for x and the state `hx`, without gradients; None where
// it is not as quick or as simple as that: where an argument is not just what is expected, in
// dtype, shape, memory or place, where a number is not finite or came not to be, and where the pass
// would keep the GIL for so long that other threads want it. Nothing has changed then.
//
// Layers take x (T, B, I), or (B, T, I), or (T, I) and states (L*D, B, P) or (L*D, P). `cell`: one
// step, x (B, I) or (I), states (B, P) or (P), and only the state is returned. `weights` is
// PackedWeights, or a list of tensors: a single step of one sequence reads them as they are, where
// the cell allows it; else their bits are compared with the packed ones.
py::object step_on_tensors(Recurrent& self, const TensorAccess& access, const py::handle& weights,
                           const py::handle& x, const py::handle& hx, bool batch_first, bool cell,
                           int threads);

}  // namespace rnnfast
