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

TYPED_TEST(RowProductsTest, AddsSumsOverRowsToRowsOfAMatrix) {
  using Scalar = TypeParam;
  constexpr int V = lanes<Scalar>;
  constexpr int gate[] = {3, 0, 4, 2}, gates = 5;
  for (int count = 1; count <= 4; ++count)
    for (const std::int64_t K : {1, 13, 40})
      for (const std::int64_t units : {1, 4 * V + 1, 5 * V})
        for (const Range rows : {Range{0, 1}, Range{3, 20}, Range{0, 2 * kChainedRows + 7}})
          for (const int members : {1, 2, 3}) {
            SCOPED_TRACE(testing::Message()
                         << count << " vectors, K " << K << ", " << units << " units, rows to "
                         << rows.end << ", " << members << " threads");
            const std::int64_t height = tile_shape(count).rows, blocks = (units + V - 1) / V;
            const std::int64_t padded = (K + height - 1) / height * height;
            const std::int64_t n = rows.end - rows.begin, width = count * V;
            const auto left = whole_numbers<Scalar>(rows.end * K, 1);
            // A vector more in each row, which belongs to others.
            const std::int64_t row = width + V, block = (rows.end + kFetchedSteps) * row;
            const auto right = whole_numbers<Scalar>(blocks * block, 2);
            const auto before = whole_numbers<Scalar>(gates * units * K, 3);
            std::vector<Scalar> interleaved(static_cast<std::size_t>(padded * n));
            std::vector<Scalar> sums = before;
            const auto for_all = [&](const auto& f) {
              for (int member = 0; member < members; ++member) {
                Worker worker;
                worker.member = member;
                worker.members = members;
                f(worker);
              }
            };
            for_all([&](const Worker& worker) {
              interleave_rows(count, interleaved.data(), K, rows, worker,
                              [&](std::int64_t r) { return left.data() + r * K; });
            });
            for_all([&](const Worker& worker) {
              std::vector<Scalar> panels(
                  static_cast<std::size_t>(row_panels<Scalar>(count, padded)));
              row_product(count, interleaved.data(), padded,
                          RowsOfBlocks<Scalar>{right.data(), block, row}, blocks, rows,
                          panels.data(), SummedRows<Scalar>{sums.data(), gate, units, K}, worker);
            });
            std::vector<Scalar> wanted = before;
            for (int g = 0; g < count; ++g)
              for (std::int64_t unit = 0; unit < units; ++unit)
                for (std::int64_t k = 0; k < K; ++k)
                  for (std::int64_t r = rows.begin; r < rows.end; ++r)
                    wanted[static_cast<std::size_t>((gate[g] * units + unit) * K + k)] +=
                        left[static_cast<std::size_t>(r * K + k)] *
                        right[static_cast<std::size_t>(unit / V * block + r * row + g * V +
                                                       unit % V)];
            ASSERT_EQ(sums, wanted);
          }
}

}  // namespace
}  // namespace rnnfast
