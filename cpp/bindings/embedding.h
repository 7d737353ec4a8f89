// An embedding as Python sees it, and what other bindings need of it.
#pragma once

#include <cstdint>
#include <memory>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/parameters.h"

namespace rnnfast {

// A table (N, E) in a flat buffer; the whole buffer if that keeps gradients by row.
class Embedding {
 public:
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
            std::shared_ptr<ParameterBuffer> parameters, std::int64_t weight, std::int64_t padding);

  bool is_double() const { return parameters_->is_double(); }
  std::int64_t rows() const { return N_; }
  std::int64_t columns() const { return E_; }
  // The table in fewer bits, or null; and where it stands if it is not.
  const KeptMatrix* kept() const { return kept_; }
  template <class Scalar>
  const Scalar* table() const {
    return parameters_->plain<Scalar>(weight_);
  }

  template <class Scalar>
  py::array forward(const py::array& given) const;
  template <class Scalar>
  void backward(const py::array& dy_given, const py::array& indices_given);

 private:
  // (R) int64, a copy, each in [0, N).
  Held checked(const py::array& given) const;

  const KernelTable* table_;
  std::int64_t N_, E_;
  std::shared_ptr<ParameterBuffer> parameters_;
  std::int64_t weight_, padding_;
  const KeptMatrix* kept_ = nullptr;  // of the buffer
};

// Writes rows (count, columns) of a matrix in fewer bits as float32.
inline void widen_rows(const KeptMatrix& matrix, std::int64_t count, const std::int64_t* rows,
                       float* to) {
  for (std::int64_t r = 0; r < count; ++r)
    matrix.widen(rows[r], 0, matrix.columns, to + r * matrix.columns);
}

}  // namespace rnnfast
