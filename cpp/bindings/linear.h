// A linear layer as Python sees it, and what other bindings need of it.
#pragma once

#include <limits>
#include <memory>
#include <string>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/parameters.h"

namespace rnnfast {

// A weight in the kernels' order, as it was at one version of the parameters. Calls that still run
// share it; it is never changed under them.
struct PackedLinear {
  std::int64_t version = -1;
  std::unique_ptr<void, void (*)(void*)> memory{nullptr, aligned_free};

  template <class Scalar>
  const Scalar* data() const {
    return static_cast<const Scalar*>(memory.get());
  }
};

class Linear {
 public:
  // Places of the weight (O, I) and the bias (O) in the flat buffer; -1: no bias.
  Linear(std::int64_t in_features, std::int64_t out_features,
         std::shared_ptr<ParameterBuffer> parameters, std::int64_t weight, std::int64_t bias,
         const std::string& numbers = "float32");

  bool is_double() const { return parameters_->is_double(); }
  const std::shared_ptr<ParameterBuffer>& parameters() const { return parameters_; }
  std::int64_t in_features() const { return I_; }
  std::int64_t out_features() const { return O_; }
  const KernelTable& table() const { return *table_; }

  // The weight as it is now; packed again only if it changed. Needs the GIL.
  std::shared_ptr<const PackedLinear> packed();
  // In which `forward` multiplies: "float32" is as the parameters are. Other functions take those.
  const std::string& numbers() const { return numbers_; }
  // y = x W^T + b in these numbers. Needs the GIL to get ready, not to run.
  template <class Scalar>
  struct Forward {
    std::shared_ptr<const PackedLinear> packed;
    const LinearTable<Scalar>* table;
  };
  template <class Scalar>
  Forward<Scalar> forward();
  // Throws where backpropagation is wanted of smaller numbers.
  void require_training() const;

  // Whether only `forward` multiplies as the layer does: in smaller numbers, or of weights that are
  // kept in fewer bits.
  bool is_reduced() const { return reduced_ != nullptr || parameters_->kept() != nullptr; }
  template <class Scalar>
  Values<Scalar> weight() const {
    return parameters_->read<Scalar>(weight_, O_ * I_);
  }
  template <class Scalar>
  const Scalar* bias() const {
    return bias_ < 0 ? nullptr : parameters_->plain<Scalar>(bias_);
  }
  template <class Scalar>
  Scalar* dweight() const {
    return parameters_->grads<Scalar>() + weight_;
  }
  template <class Scalar>
  Scalar* dbias() const {
    return bias_ < 0 ? nullptr : parameters_->grads<Scalar>() + bias_;
  }
  Mutex& gradient_mutex() { return parameters_->gradient_mutex(); }

  // A bound of the scores that inputs of this size give; NaN if a parameter is not finite. Needs
  // the GIL.
  template <class Scalar>
  double largest_score(double largest_input);

 private:
  template <class Scalar>
  void pack(const LinearTable<Scalar>& table, std::shared_ptr<PackedLinear>& packed);

  const KernelTable* table_;
  std::int64_t I_, O_;
  std::shared_ptr<ParameterBuffer> parameters_;
  std::int64_t weight_, bias_;
  std::string numbers_;
  const LinearTable<float>* reduced_ = nullptr;  // of smaller numbers
  std::shared_ptr<PackedLinear> packed_, packed_reduced_;
  double largest_weight_ = 0, largest_bias_ = 0;  // NaN: one is not finite
  std::int64_t measured_version_ = -1;
};

// The sum of the losses of R rows of scores as `forward` gives them, of features (R, I) that are
// finite. Needs the GIL.
template <class Scalar>
double loss_of_scores(Linear& linear, std::int64_t R, Matrix<const Scalar> h,
                      const Targets<Scalar>& targets);

// Whether scores of this bound may be NaN or infinite, or their differences.
template <class Scalar>
bool may_overflow(double largest_score) {
  return !(largest_score < static_cast<double>(std::numeric_limits<Scalar>::max()) / 8);
}

// A checked (R, columns) array whose rows can be read in place, and its data.
template <class Scalar>
struct RowArray {
  Held held;
  Matrix<const Scalar> matrix;
  std::int64_t R, columns;

  RowArray(const char* name, const py::array& given, std::int64_t width) : columns(width) {
    require_dtype<Scalar>(name, given);
    if (given.ndim() != 2 || given.shape(1) != columns)
      throw py::value_error(std::string(name) + ": expected shape (R, " + std::to_string(columns) +
                            "), got " + text_of(shape_of(given)));
    held = Held(with_contiguous_rows(name, given));
    R = held->shape(0);
    matrix = {held.data<Scalar>(), held->strides(0) / static_cast<std::int64_t>(sizeof(Scalar))};
  }

  // Throws ValueError unless all is finite; does not need the GIL.
  void require_finite(const char* name, const ElementTable<Scalar>& table, int threads) const {
    if (!table.all_finite(R, columns, matrix, threads)) throw_not_finite(name);
  }
};

}  // namespace rnnfast
