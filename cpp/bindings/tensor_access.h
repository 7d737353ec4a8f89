// Another library's tensors: looked at, and made.
#pragma once

#include <pybind11/pybind11.h>

#include <vector>

#include "bindings/dlpack.h"

namespace rnnfast {

namespace py = pybind11;

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
  py::object is_neg_, detach_;  // methods of the first kind, which the others have too
};

}  // namespace rnnfast
