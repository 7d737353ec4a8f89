// Embedding: rows of a table by index, and gradients added to the rows they came from.
#pragma once

#include "kernels/abi/embedding.h"
#include "kernels/core/simd.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

template <class Scalar>
void embedding_gather(std::int64_t R, std::int64_t E, const Scalar* table,
                      const std::int64_t* indices, Scalar* y, int threads) {
  parallel(useful_threads(threads, R * E, 1 << 17), [&](int rank, int size) {
    const Range mine = share(R, rank, size);
    for (std::int64_t r = mine.begin; r < mine.end; ++r)
      std::memcpy(y + r * E, table + indices[r] * E, static_cast<std::size_t>(E) * sizeof(Scalar));
  });
}

// A thread owns columns of the table, in whole cache lines, and takes all rows in order.
template <class Scalar>
void embedding_scatter(std::int64_t R, std::int64_t E, Matrix<const Scalar> dy,
                       const std::int64_t* indices, std::int64_t padding, Scalar* dtable,
                       int threads) {
  constexpr std::int64_t line = 64 / sizeof(Scalar);
  parallel(useful_threads(threads, R * E, 1 << 16), [&](int rank, int size) {
    const Range mine = share(E, line, rank, size);
    for (std::int64_t r = 0; r < R; ++r) {
      if (indices[r] == padding) continue;
      const Scalar* const from = dy.data + r * dy.stride;
      Scalar* const to = dtable + indices[r] * E;
      for (std::int64_t e = mine.begin; e < mine.end; e += lanes<Scalar>) {
        const std::int64_t count = mine.end - e;
        store_first(to + e, add(load_first<Scalar>(to + e, count), load_first(from + e, count)),
                    count);
      }
    }
  });
}

}  // namespace rnnfast
