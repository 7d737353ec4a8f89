// A linear layer as Python sees it, and what other bindings need of it.
#pragma once

#include <memory>
#include <mutex>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/parameters.h"

namespace rnnfast {

// A weight in the kernels' order, as it was at one version of the parameters. Calls that still run
// share it; it is never changed under them.
struct PackedLinear {
  std::int64_t version = -1;
  std::unique_ptr<void, void (*)(void*)> memory{nullptr, std::free};

  template <class Scalar>
  const Scalar* data() const {
    return static_cast<const Scalar*>(memory.get());
  }
};

class Linear {
 public:
  // Places of the weight (O, I) and the bias (O) in the flat buffer; -1: no bias.
  Linear(std::int64_t in_features, std::int64_t out_features,
         std::shared_ptr<ParameterBuffer> parameters, std::int64_t weight, std::int64_t bias);

  bool is_double() const { return parameters_->is_double(); }
  std::int64_t in_features() const { return I_; }
  std::int64_t out_features() const { return O_; }
  const KernelTable& table() const { return *table_; }

  // The weight as it is now; packed again only if it changed. Needs the GIL.
  std::shared_ptr<const PackedLinear> packed();

  template <class Scalar>
  const Scalar* weight() const {
    return parameters_->values<Scalar>() + weight_;
  }
  template <class Scalar>
  const Scalar* bias() const {
    return bias_ < 0 ? nullptr : parameters_->values<Scalar>() + bias_;
  }
  template <class Scalar>
  Scalar* dweight() const {
    return parameters_->grads<Scalar>() + weight_;
  }
  template <class Scalar>
  Scalar* dbias() const {
    return bias_ < 0 ? nullptr : parameters_->grads<Scalar>() + bias_;
  }
  // Two threads may share a layer: one at a time adds to its gradients.
  std::mutex& gradient_mutex() { return gradient_mutex_; }

 private:
  const KernelTable* table_;
  std::int64_t I_, O_;
  std::shared_ptr<ParameterBuffer> parameters_;
  std::int64_t weight_, bias_;
  std::shared_ptr<PackedLinear> packed_;
  std::mutex gradient_mutex_;
};

// A checked (R, columns) array whose rows can be read in place, and its data.
template <class Scalar>
struct RowArray {
  py::array held;
  Matrix<const Scalar> matrix;
  std::int64_t R;

  RowArray(const char* name, const py::array& given, std::int64_t columns) {
    require_dtype<Scalar>(name, given);
    if (given.ndim() != 2 || given.shape(1) != columns)
      throw py::value_error(std::string(name) + ": expected shape (R, " + std::to_string(columns) +
                            "), got " + text_of(shape_of(given)));
    held = with_contiguous_rows(given);
    R = held.shape(0);
    matrix = {static_cast<const Scalar*>(held.data()),
              held.strides(0) / static_cast<std::int64_t>(sizeof(Scalar))};
  }
};

}  // namespace rnnfast
