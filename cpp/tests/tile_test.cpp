// The register tile against the plain triple loop, bit for bit: in every shape in which the kernels
// use it, each sum is the chain of multiply-adds that the head of tile.h describes.
#include "kernels/gemm/tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "tests/numbers.h"

namespace rnnfast {
namespace {

// a * b + c, rounded as often as the instruction set's `madd` does.
template <class Scalar>
Scalar multiply_add(Scalar a, Scalar b, Scalar c) {
#if defined(__FMA__) || defined(__ARM_NEON)
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

// The operands of a tile: rows of A (MR, K), U panels of B (K, G * V), and what the sums start
// from.
template <class Scalar, int MR, int U, int G>
struct Operands {
  static constexpr int V = lanes<Scalar>, width = G * V;

  explicit Operands(std::int64_t depth)
      : K(depth),
        a(real_numbers<Scalar>(MR * K, 1)),
        b(real_numbers<Scalar>(U * (K + kFetchedSteps) * width, 2)),
        start(real_numbers<Scalar>(MR * U * width, 3)) {
    for (int m = 0; m < MR; ++m) rows.row[m] = a.data() + m * K;
    for (int u = 0; u < U; ++u) panels[u] = b.data() + u * K * width;
  }

  void begin(Tile<Scalar, MR, U, G>& acc) const {
    for (int i = 0; i < MR * U * G; ++i) (&acc[0][0][0])[i] = load(start.data() + i * V);
  }

  // One chain over [k0, k1).
  Scalar chain(int m, int u, int n, std::int64_t k0, std::int64_t k1, Scalar sum) const {
    for (std::int64_t k = k0; k < k1; ++k)
      sum = multiply_add(rows.row[m][k], panels[u][k * width + n], sum);
    return sum;
  }

  template <class F>
  void expect(const Tile<Scalar, MR, U, G>& acc, const F& sum) const {
    std::vector<Scalar> got(start.size());
    for (int i = 0; i < MR * U * G; ++i) store(got.data() + i * V, (&acc[0][0][0])[i]);
    for (int m = 0; m < MR; ++m)
      for (int u = 0; u < U; ++u)
        for (int n = 0; n < width; ++n) {
          const auto at = static_cast<std::size_t>((m * U + u) * width + n);
          ASSERT_EQ(got[at], sum(m, u, n, start[at]))
              << "tile " << MR << "x" << U << "x" << G << ", K = " << K << ", row " << m
              << ", block " << u << ", column " << n;
        }
  }

  std::int64_t K;
  std::vector<Scalar> a, b, start;
  Rows<Scalar, MR> rows;
  const Scalar* panels[U];
};

template <class Scalar, int MR, int U, int G>
void check_tile(std::int64_t K) {
  const Operands<Scalar, MR, U, G> given(K);
  const auto one_chain = [&](int m, int u, int n, Scalar sum) {
    return given.chain(m, u, n, 0, K, sum);
  };
  Tile<Scalar, MR, U, G> acc;

  given.begin(acc);
  accumulate<Scalar, MR, U, G>(acc, given.rows, given.panels, G * lanes<Scalar>, K);
  given.expect(acc, one_chain);

  // The same rows side by side, and with something to fetch.
  std::vector<Scalar> side_by_side(given.a.size());
  for (int m = 0; m < MR; ++m)
    for (std::int64_t k = 0; k < K; ++k)
      side_by_side[static_cast<std::size_t>(k * MR + m)] = given.rows.row[m][k];
  Prefetcher later(given.b.data(), 4096, {0, 1, 0}, K);
  given.begin(acc);
  accumulate<Scalar, MR, U, G>(acc, Interleaved<Scalar, MR>{side_by_side.data()}, given.panels,
                               G * lanes<Scalar>, K, later);
  given.expect(acc, one_chain);
}

// Sums in parts of kLongestChain: the first continues what is there, the last is added last.
template <class Scalar, int MR, int U, int G>
void check_rows(std::int64_t K) {
  const Operands<Scalar, MR, U, G> given(K);
  Tile<Scalar, MR, U, G> acc;
  given.begin(acc);
  Nothing nothing;
  accumulate_rows<Scalar, MR, U, G>(acc, given.rows, given.panels, G * lanes<Scalar>, K, nothing);
  given.expect(acc, [&](int m, int u, int n, Scalar sum) {
    sum = given.chain(m, u, n, 0, std::min(K, kLongestChain), sum);
    for (std::int64_t k = kLongestChain; k < K; k += kLongestChain)
      sum = given.chain(m, u, n, k, std::min(K, k + kLongestChain), 0) + sum;
    return sum;
  });
}

template <class Scalar>
struct TileTest : testing::Test {
  // Calls f.operator()<MR, U, G>() for tiles of 1 to MR rows.
  template <int MR, int U, int G, class F>
  static void heights(const F& f) {
    f(std::integral_constant<int, MR>(), std::integral_constant<int, U>(),
      std::integral_constant<int, G>());
    if constexpr (MR > 1) heights<MR - 1, U, G>(f);
  }
  // For every shape that the kernels have: panels of 1 to 4 vectors, alone and as blocks together,
  // in every height that the registers hold; and a single row of many blocks.
  template <int Count, class F>
  static void shapes_of(const F& f) {
    constexpr TileShape shape = tile_shape(Count);
    heights<tile_rows(Count), 1, Count>(f);
    if constexpr (shape.blocks > 1) heights<shape.rows, shape.blocks, Count>(f);
    heights<1, shape.wide, Count>(f);
  }
  template <class F>
  static void shapes(const F& f) {
    shapes_of<1>(f);
    shapes_of<2>(f);
    shapes_of<3>(f);
    shapes_of<4>(f);
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(TileTest, Scalars);

TYPED_TEST(TileTest, OneChainInEveryShape) {
  this->shapes([](auto mr, auto u, auto g) {
    for (const std::int64_t K : {1, 2, 17, 96}) check_tile<TypeParam, mr(), u(), g()>(K);
  });
}

TYPED_TEST(TileTest, LongRowsAreSummedInPartsOfOneLength) {
  this->shapes([](auto mr, auto u, auto g) {
    for (const std::int64_t K : {1, 255, 256, 257, 600}) check_rows<TypeParam, mr(), u(), g()>(K);
  });
}

TYPED_TEST(TileTest, ClearLeavesZeros) {
  Operands<TypeParam, 3, 2, 2> given(1);
  Tile<TypeParam, 3, 2, 2> acc;
  given.begin(acc);
  clear<TypeParam, 3, 2, 2>(acc);
  given.expect(acc, [](int, int, int, TypeParam) { return TypeParam(0); });
}

TEST(WithCount, CallsTheCountAsked) {
  for (int n = 1; n <= 12; ++n) {
    int called = 0;
    with_count<12>(n, [&](auto count) { called = called * 100 + count(); });
    EXPECT_EQ(called, n);
  }
}

template <int Most>
void expect_groups(const std::vector<int>& groups) {
  for (const int n : groups) {
    int called = 0;
    with_group<Most>(n, [&](auto blocks) { called = called * 100 + blocks(); });
    EXPECT_EQ(called, n);
  }
}
TEST(WithGroup, CallsTheGroupAsked) {
  expect_groups<8>({8, 4, 2, 1});
  expect_groups<3>({3, 1});
  expect_groups<1>({1});
}

}  // namespace
}  // namespace rnnfast
