// Products of whole matrices, built from the register tile.
//
//   C (M, N) = start + A (M, K) B (K, N)
//
// Each element of C sums over K in ascending order, in blocks of kDepth: a block is one chain of
// (fused) multiply-adds, and the blocks are added up in C. That keeps the rounding error of long
// sums small and the operands in cache. The order depends on neither threads nor M nor N.
#pragma once

#include "kernels/gemm/panels.h"
#include "kernels/threads/parallel.h"

namespace rnnfast {

constexpr std::int64_t kDepth = 256;

// Where A comes from: element (m, k) at data[m * stride + k], or at data[k * stride + m].
template <class Scalar>
struct LeftByRows {
  const Scalar* data;
  std::int64_t stride;
};
template <class Scalar>
struct LeftByColumns {
  const Scalar* data;
  std::int64_t stride;
};

// What C starts from: zero, a bias per column or per row, or what stands there.
enum class Start { zero, column_bias, row_bias, add };

template <class Scalar>
struct Target {
  Scalar* data;
  std::int64_t stride;
  Start start;
  const Scalar* bias;  // (N) or (M), or null
};

namespace detail {

// One tile: MR rows at `c`, W whole vectors.
template <class Scalar, int MR, int W, class Left>
__attribute__((noinline)) void product_tile(const Left& left, const Scalar* panel,
                                            std::int64_t depth, Start start, const Scalar* bias,
                                            Scalar* c, std::int64_t ldc) {
  constexpr int V = lanes<Scalar>;
  Tile<Scalar, MR, 1, W> acc;
  const auto fill = [&](const auto& value) {
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) acc[m][0][w] = value(m, w);
  };
  if (start == Start::column_bias)
    fill([&](int, int w) { return load(bias + w * V); });
  else if (start == Start::row_bias)
    fill([&](int m, int) { return broadcast<Scalar>(bias[m]); });
  else
    fill([](int, int) { return zeros<Scalar>(); });
  if (start == Start::add)  // C is far away: on its way while the product is formed
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
      for (int w = 0; w < W; ++w) __builtin_prefetch(c + m * ldc + w * V, 1, 3);
  const Scalar* const right[1] = {panel};
  accumulate<Scalar, MR, 1, W>(acc, left, right, W * V, depth);
  if (start == Start::add)
    fill([&](int m, int w) { return add(load<Scalar>(c + m * ldc + w * V), acc[m][0][w]); });
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) store(c + m * ldc + w * V, acc[m][0][w]);
}

// The same where only `columns` of the tile's columns exist in C and in its bias.
template <class Scalar, int MR, int W, class Left>
void edge_tile(const Left& left, const Scalar* panel, std::int64_t depth, Start start,
               const Scalar* bias, Scalar* c, std::int64_t ldc, std::int64_t columns) {
  constexpr int width = W * lanes<Scalar>;
  const auto bytes = static_cast<std::size_t>(columns) * sizeof(Scalar);
  alignas(64) Scalar tile[MR * width], padded_bias[width] = {};
  if (start == Start::add)
    for (int m = 0; m < MR; ++m) std::memcpy(tile + m * width, c + m * ldc, bytes);
  if (start == Start::column_bias) {
    std::memcpy(padded_bias, bias, bytes);
    bias = padded_bias;
  }
  product_tile<Scalar, MR, W>(left, panel, depth, start, bias, tile, width);
  for (int m = 0; m < MR; ++m) std::memcpy(c + m * ldc, tile + m * width, bytes);
}

// Calls f(std::integral_constant<int, W>) for a width that tiles of MR rows have.
template <int MR, class F>
RNNFAST_INLINE void with_width(int width, const F& f) {
  if constexpr (MR <= tile_rows(4))
    if (width == 4) return f(std::integral_constant<int, 4>());
  if constexpr (MR <= tile_rows(3))
    if (width == 3) return f(std::integral_constant<int, 3>());
  if (width == 2) return f(std::integral_constant<int, 2>());
  f(std::integral_constant<int, 1>());
}

template <class Scalar, int MR>
RNNFAST_INLINE Rows<Scalar, MR> tile_of(const LeftByRows<Scalar>& left, std::int64_t m,
                                        std::int64_t k0, std::int64_t, Scalar*) {
  Rows<Scalar, MR> rows;
  for (int i = 0; i < MR; ++i) rows.row[i] = left.data + (m + i) * left.stride + k0;
  return rows;
}
// Columns are copied side by side first: their stride may be a whole page.
template <class Scalar, int MR>
RNNFAST_INLINE Interleaved<Scalar, MR> tile_of(const LeftByColumns<Scalar>& left, std::int64_t m,
                                               std::int64_t k0, std::int64_t depth, Scalar* copy) {
  const Scalar* from = left.data + k0 * left.stride + m;
  for (std::int64_t k = 0; k < depth; ++k, from += left.stride) {
    std::memcpy(copy + k * MR, from, MR * sizeof(Scalar));
    __builtin_prefetch(from + 2 * MR);
  }
  return {copy};
}

// Fetches, in turns, the rows that the next tile reads. Those of columns are copied together.
template <class Scalar>
void fetch(const LeftByRows<Scalar>& left, Range rows, std::int64_t k0, std::int64_t depth,
           const Prefetch& prefetch) {
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(Scalar));
  const std::int64_t begin = k0 + depth * prefetch.index / prefetch.count;
  const std::int64_t end = k0 + depth * (prefetch.index + 1) / prefetch.count;
  for (std::int64_t m = rows.begin; m < rows.end; ++m)
    for (std::int64_t k = begin; k < end; k += line)
      __builtin_prefetch(left.data + m * left.stride + k, 0, 3);
}
template <class Scalar>
void fetch(const LeftByColumns<Scalar>&, Range, std::int64_t, std::int64_t, const Prefetch&) {}

}  // namespace detail

// A thread's rectangle of C.
struct Rectangle {
  Range rows, panels;
};

// Cuts `rows` (in tiles of `height`) and `panels` among `size` threads so that the largest share
// of tiles is least.
inline Rectangle rectangle_of(std::int64_t rows, std::int64_t height, std::int64_t panels, int rank,
                              int size) {
  const std::int64_t tiles = ceil_div(rows, height);
  int down = 1;
  std::int64_t least = -1;
  for (int d = 1; d <= size; ++d) {
    if (size % d != 0) continue;
    const std::int64_t work = ceil_div(tiles, d) * ceil_div(panels, size / d);
    // Of equals, the cut that leaves each thread the more square part.
    if (least < 0 || work < least || (work == least && tiles / d >= panels * d / size)) {
      least = work;
      down = d;
    }
  }
  const int across = size / down;
  return {share(rows, height, rank / across, down), share(panels, rank % across, across)};
}

// Scratch of a thread: a group of panels, and the left operand's columns side by side.
template <class Scalar>
constexpr std::int64_t kPanelBudget = (512 << 10) / static_cast<std::int64_t>(sizeof(Scalar));
template <class Scalar>
constexpr std::int64_t kScratch = kPanelBudget<Scalar> + kDepth * 16;

// Computes one rectangle of C.
template <class Scalar, class Left, class Right>
void multiply_part(const Rectangle& part, std::int64_t K, const Left& left, const Right& right,
                   const Panels<Scalar>& panels, const Target<Scalar>& target, Scalar* scratch) {
  const int widest = panels.widest();
  const int height = widest == 4 ? tile_rows(4) : widest == 3 ? tile_rows(3) : tile_rows(2);
  const std::int64_t rows = part.rows.end - part.rows.begin, tiles = ceil_div(rows, height);
  const std::int64_t at_once =
      std::min(kPanelGroup, kPanelBudget<Scalar> / (kDepth * widest * lanes<Scalar>));
  Scalar* const copy = scratch + kPanelBudget<Scalar>;
  for (std::int64_t p0 = part.panels.begin; p0 < part.panels.end; p0 += at_once) {
    const Range group{p0, std::min(part.panels.end, p0 + at_once)};
    std::int64_t k0 = 0;
    do {
      const std::int64_t depth = std::min(kDepth, K - k0);
      const Start start = k0 == 0 ? target.start : Start::add;
      const Scalar* packed[kPanelGroup];
      gather_panels(right, panels, group, k0, depth, scratch, packed);
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t m = part.rows.begin + rows * t / tiles;
        const int count = static_cast<int>(part.rows.begin + rows * (t + 1) / tiles - m);
        with_count<tile_rows(2)>(count, [&](auto mr) {
          constexpr int MR = decltype(mr)::value;
          const auto tile = detail::tile_of<Scalar, MR>(left, m, k0, depth, copy);
          const Range next{m + count, std::min(m + 2 * count, part.rows.end)};
          for (std::int64_t p = group.begin; p < group.end; ++p) {
            const std::int64_t n = panels.begin(p);
            detail::fetch(left, next, k0, depth, {p - group.begin, group.end - group.begin, 0});
            const Scalar* bias = start == Start::row_bias      ? target.bias + m
                                 : start == Start::column_bias ? target.bias + n
                                                               : nullptr;
            Scalar* const c = target.data + m * target.stride + n;
            detail::with_width<MR>(panels.width(p), [&](auto w) {
              constexpr int W = decltype(w)::value;
              if (panels.columns() - n >= W * lanes<Scalar>)
                detail::product_tile<Scalar, MR, W>(tile, packed[p - group.begin], depth, start,
                                                    bias, c, target.stride);
              else
                detail::edge_tile<Scalar, MR, W>(tile, packed[p - group.begin], depth, start, bias,
                                                 c, target.stride, panels.columns() - n);
            });
          }
        });
      }
      k0 += depth;
    } while (k0 < K);
  }
}

// Computes C on `threads` threads. `scratch` holds kScratch values for each; it may be null where
// the left operand comes by rows and the right one packed.
template <class Scalar, class Left, class Right>
void multiply(std::int64_t M, std::int64_t N, std::int64_t K, const Left& left, const Right& right,
              const Target<Scalar>& target, Scalar* scratch, int threads) {
  const Panels<Scalar> panels(N);
  const int height = panels.widest() == 4 ? tile_rows(4) : tile_rows(3);
  // Not worth a second thread for less than a few microseconds.
  parallel(useful_threads(threads, M * N * (K + 16), 1 << 19), [&](int rank, int size) {
    multiply_part(rectangle_of(M, height, panels.count(), rank, size), K, left, right, panels,
                  target, scratch + rank * kScratch<Scalar>);
  });
}

}  // namespace rnnfast
