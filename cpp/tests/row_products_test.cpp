// Products summed over rows against the plain triple loop, by one thread and by several.
#include "kernels/gemm/row_products.h"

#include <gtest/gtest.h>

#include "tests/numbers.h"

namespace rnnfast {
namespace {

template <class Scalar>
struct RowProductsTest : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(RowProductsTest, Scalars);

TYPED_TEST(RowProductsTest, SumsOverRowsFreshOrAdded) {
  using Scalar = TypeParam;
  constexpr int V = lanes<Scalar>;
  for (int count = 1; count <= 4; ++count)
    for (const std::int64_t K : {1, 13, 40})
      for (const std::int64_t blocks : {1, 5})
        for (const Range rows : {Range{0, 1}, Range{3, 20}, Range{0, 2 * kChainedRows + 7}})
          for (const int members : {1, 3})
            for (const bool fresh : {false, true}) {
              SCOPED_TRACE(testing::Message()
                           << count << " vectors, K " << K << ", " << blocks << " blocks, rows to "
                           << rows.end << ", " << members << " threads, fresh " << fresh);
              const std::int64_t height = tile_shape(count).rows;
              const std::int64_t padded = (K + height - 1) / height * height;
              const std::int64_t n = rows.end - rows.begin, width = count * V;
              const auto left = whole_numbers<Scalar>(rows.end * K, 1);
              // A vector more in each row, which belongs to others.
              const std::int64_t row = width + V, block = (rows.end + kFetchedSteps) * row;
              const auto right = whole_numbers<Scalar>(blocks * block, 2);
              const auto before = whole_numbers<Scalar>(blocks * padded * width, 3);
              std::vector<Scalar> interleaved(static_cast<std::size_t>(padded * n));
              std::vector<Scalar> sums = before;
              for (int member = 0; member < members; ++member) {
                Worker worker;
                worker.member = member;
                worker.members = members;
                interleave_rows(count, interleaved.data(), K, rows, worker,
                                [&](std::int64_t r) { return left.data() + r * K; });
              }
              for (int member = 0; member < members; ++member) {
                Worker worker;
                worker.member = member;
                worker.members = members;
                row_product(count, interleaved.data(), padded,
                            RowsOfBlocks<Scalar>{right.data(), block, row}, blocks, sums.data(),
                            rows, fresh, worker);
              }
              for (std::int64_t u = 0; u < blocks; ++u)
                for (std::int64_t k = 0; k < K; ++k)
                  for (std::int64_t c = 0; c < width; ++c) {
                    const auto at = static_cast<std::size_t>((u * padded + k) * width + c);
                    Scalar wanted = fresh ? Scalar(0) : before[at];
                    for (std::int64_t r = rows.begin; r < rows.end; ++r)
                      wanted += left[static_cast<std::size_t>(r * K + k)] *
                                right[static_cast<std::size_t>(u * block + r * row + c)];
                    ASSERT_EQ(sums[at], wanted) << "block " << u << ", k " << k << ", " << c;
                  }
            }
}

}  // namespace
}  // namespace rnnfast
