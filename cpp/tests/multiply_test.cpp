// Products of whole matrices against the plain triple loop, and the panels that they read.
#include "kernels/gemm/multiply.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <tuple>

#include "tests/numbers.h"

namespace rnnfast {
namespace {

constexpr std::int64_t kSizes[] = {1, 3, 17, 33, 65};

template <class Scalar>
struct MultiplyTest : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(MultiplyTest, Scalars);

TYPED_TEST(MultiplyTest, PanelsCutTheColumnsOnce) {
  constexpr int V = lanes<TypeParam>;
  for (std::int64_t columns = 0; columns <= 40 * V; ++columns) {
    const Panels<TypeParam> panels(columns);
    EXPECT_EQ(panels.begin(0), 0);
    EXPECT_EQ(panels.begin(panels.count()), panels.padded());
    EXPECT_EQ(panels.padded(), ceil_div(columns, V) * V);
    EXPECT_LE(panels.count() * 4 * V, panels.padded() + 3 * V);  // as few as can be
    int narrowest = 4;
    for (std::int64_t p = 0; p < panels.count(); ++p) {
      EXPECT_GE(panels.width(p), 1);
      EXPECT_LE(panels.width(p), panels.widest());
      narrowest = std::min(narrowest, panels.width(p));
    }
    if (columns > 0) {
      EXPECT_LE(panels.widest() - narrowest, 1) << "of " << columns << " columns";
    }
  }
}

// Each source of B, at every depth and group, gives the panels that its definition says.
TYPED_TEST(MultiplyTest, PanelsHoldTheRightOperand) {
  using Scalar = TypeParam;
  for (const std::int64_t N : kSizes)
    for (const std::int64_t K : kSizes) {
      const auto b = whole_numbers<Scalar>(K * N, 1);
      std::vector<Scalar> turned(b.size());
      for (std::int64_t k = 0; k < K; ++k)
        for (std::int64_t n = 0; n < N; ++n)
          turned[static_cast<std::size_t>(n * K + k)] = b[static_cast<std::size_t>(k * N + n)];
      const Panels<Scalar> panels(N);
      std::vector<Scalar> packed(static_cast<std::size_t>(panels.padded() * K));
      for (std::int64_t p = 0; p < panels.count(); ++p)
        pack_panel(RightByColumns<Scalar>{turned.data(), K}, panels, p, 0, K,
                   packed.data() + panels.begin(p) * K);
      for (const std::int64_t k0 : {std::int64_t{0}, K / 2}) {
        const std::int64_t depth = K - k0;
        const auto expect = [&](const auto& right) {
          for (std::int64_t first = 0; first < panels.count(); ++first) {
            const Range group{first, panels.count()};
            std::vector<Scalar> scratch(static_cast<std::size_t>(panels.padded() * depth),
                                        std::numeric_limits<Scalar>::quiet_NaN());
            std::vector<const Scalar*> at(static_cast<std::size_t>(group.end - group.begin));
            gather_panels(right, panels, group, k0, depth, scratch.data(), at.data());
            for (std::int64_t p = first; p < group.end; ++p) {
              const std::int64_t n0 = panels.begin(p), width = panels.begin(p + 1) - n0;
              for (std::int64_t k = 0; k < depth; ++k)
                for (std::int64_t n = 0; n < width; ++n)
                  ASSERT_EQ(
                      at[static_cast<std::size_t>(p - first)][k * width + n],
                      n0 + n < N ? b[static_cast<std::size_t>((k0 + k) * N + n0 + n)] : Scalar(0))
                      << "K = " << K << ", N = " << N << ", panel " << p;
            }
          }
        };
        expect(RightPacked<Scalar>{packed.data(), K});
        expect(RightByRows<Scalar>{b.data(), N});
        expect(RightByColumns<Scalar>{turned.data(), K});
      }
    }
}

TYPED_TEST(MultiplyTest, EveryOperandStartAndNumberOfThreads) {
  using Scalar = TypeParam;
  const int most_threads = 3;
  std::vector<Scalar> scratch(static_cast<std::size_t>(kScratch<Scalar> * most_threads));
  // The last is cut among threads, and along K.
  std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>> sizes = {{97, 130, 300}};
  for (const std::int64_t M : kSizes)
    for (const std::int64_t N : kSizes)
      for (const std::int64_t K : kSizes) sizes.emplace_back(M, N, K);
  for (const auto& size : sizes) {
    const std::int64_t M = std::get<0>(size), N = std::get<1>(size), K = std::get<2>(size);
    const std::int64_t gap = 3;  // between the rows of C
    const auto a = whole_numbers<Scalar>(M * K, 1), b = whole_numbers<Scalar>(K * N, 2),
               before = whole_numbers<Scalar>(M * (N + gap), 3),
               bias = whole_numbers<Scalar>(std::max(M, N), 4);
    std::vector<Scalar> a_turned(a.size()), b_turned(b.size());
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t m = 0; m < M; ++m)
        a_turned[static_cast<std::size_t>(k * M + m)] = a[static_cast<std::size_t>(m * K + k)];
      for (std::int64_t n = 0; n < N; ++n)
        b_turned[static_cast<std::size_t>(n * K + k)] = b[static_cast<std::size_t>(k * N + n)];
    }
    std::vector<Scalar> product = before;
    for (std::int64_t m = 0; m < M; ++m)
      for (std::int64_t n = 0; n < N; ++n) {
        Scalar sum = 0;
        for (std::int64_t k = 0; k < K; ++k)
          sum += a[static_cast<std::size_t>(m * K + k)] * b[static_cast<std::size_t>(k * N + n)];
        product[static_cast<std::size_t>(m * (N + gap) + n)] = sum;
      }
    for (const Start start : {Start::zero, Start::column_bias, Start::row_bias, Start::add}) {
      std::vector<Scalar> expected = product;
      for (std::int64_t m = 0; m < M; ++m)
        for (std::int64_t n = 0; n < N; ++n) {
          const auto at = static_cast<std::size_t>(m * (N + gap) + n);
          if (start == Start::column_bias) expected[at] += bias[static_cast<std::size_t>(n)];
          if (start == Start::row_bias) expected[at] += bias[static_cast<std::size_t>(m)];
          if (start == Start::add) expected[at] += before[at];
        }
      const auto expect = [&](const auto& left, const auto& right, int threads) {
        std::vector<Scalar> c = before;
        multiply<Scalar>(M, N, K, left, right, {c.data(), N + gap, start, bias.data()},
                         scratch.data(), threads);
        ASSERT_EQ(c, expected) << "M = " << M << ", N = " << N << ", K = " << K << ", start "
                               << static_cast<int>(start);
      };
      for (const int threads : {1, most_threads}) {
        const LeftByRows<Scalar> rows{a.data(), K};
        const LeftByColumns<Scalar> columns{a_turned.data(), M};
        expect(rows, RightByRows<Scalar>{b.data(), N}, threads);
        expect(rows, RightByColumns<Scalar>{b_turned.data(), K}, threads);
        expect(columns, RightByRows<Scalar>{b.data(), N}, threads);
        expect(columns, RightByColumns<Scalar>{b_turned.data(), K}, threads);
      }
    }
  }
}

// The rectangles of any number of threads cover C, each part once.
TEST(Rectangles, CoverTheProductOnce) {
  for (std::int64_t rows = 1; rows < 60; rows += 7)
    for (std::int64_t panels = 1; panels < 9; ++panels)
      for (int size = 1; size <= 8; ++size) {
        std::vector<int> owners(static_cast<std::size_t>(rows * panels));
        for (int rank = 0; rank < size; ++rank) {
          const Rectangle part = rectangle_of(rows, 4, panels, rank, size);
          for (std::int64_t m = part.rows.begin; m < part.rows.end; ++m)
            for (std::int64_t p = part.panels.begin; p < part.panels.end; ++p)
              ++owners[static_cast<std::size_t>(m * panels + p)];
        }
        EXPECT_EQ(owners, std::vector<int>(owners.size(), 1));
      }
}

}  // namespace
}  // namespace rnnfast
