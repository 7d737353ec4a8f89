// Embeddings: rows of a table.
//
// Sizes: R indices, E numbers of a row.
#pragma once

#include <cstdint>

#include "kernels/abi/common.h"

namespace rnnfast {

template <class Scalar>
struct EmbeddingTable {
  // Rows of a table (tokens, E), and gradients added to the rows they came from.
  // Rows of index `padding` get none.
  void (*gather)(std::int64_t R, std::int64_t E, const Scalar* table, const std::int64_t* indices,
                 Scalar* y, int threads);
  void (*scatter)(std::int64_t R, std::int64_t E, Matrix<const Scalar> dy,
                  const std::int64_t* indices, std::int64_t padding, Scalar* dtable, int threads);
};

}  // namespace rnnfast
