// A few rows of activations times a panel, with all sums in registers; on CPUs that have them, in
// tiles of 16 rows. Sums of integers are exact, and those of float run through k in one order
// whatever the number of rows.
#pragma once

#include "kernels/reduced/numbers.h"

namespace rnnfast::reduced {

#if defined(__AMX_TILE__)
constexpr std::int64_t kTileRows = 16;
#else
constexpr std::int64_t kTileRows = 1;
#endif

// Columns with what fills up the last group, or the last tile.
template <class N>
constexpr std::int64_t padded_columns(std::int64_t columns) {
#if defined(__AMX_TILE__)
  const std::int64_t unit = 64 / static_cast<std::int64_t>(sizeof(typename N::Activation));
#else
  const std::int64_t unit = N::kGroup;
#endif
  return (columns + unit - 1) / unit * unit;
}

template <class N>
struct Tile {
  const typename N::Weight* weights;  // [group][vector][V][neighbour]
  const typename N::Activation* left;
  std::int64_t left_stride, groups;
  const float* scale;              // [vector][V]
  const std::int32_t* correction;  // [vector][V]
  const float* row_scale;          // [row]
  const float* bias;               // [vector][V], or null
  float* to;                       // [row][vector][V]
  std::int64_t to_stride;

  Tile from_row(std::int64_t row) const {
    Tile next = *this;
    next.left += row * left_stride;
    next.row_scale += row;
    next.to += row * to_stride;
    return next;
  }
  RNNFAST_INLINE typename N::Sum begin(int vector) const {
    return N::begin(correction + vector * V);
  }
  RNNFAST_INLINE void finish(std::int64_t row, int vector, const typename N::Sum& sum) const {
    Floats value = N::value(sum);
    if constexpr (N::kScaled)
      value = mul(value, mul(broadcast(row_scale[row]), load(scale + vector * V)));
    if (bias != nullptr) value = add(load(bias + vector * V), value);
    store(to + row * to_stride + vector * V, value);
  }
};

// The sums of M rows, all in registers, with a tile of their own: one that others see would be read
// anew after each number that is written.
template <class N, int M, int W>
RNNFAST_INLINE void finish_rows(const Tile<N> t, const typename N::Sum (&sums)[M][W]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int j = 0; j < W; ++j) t.finish(m, j, sums[m][j]);
}

// Several chains for the sums of a single row, which are exact in any order.
template <class N, int W>
void multiply_row(const Tile<N>& t) {
  constexpr int step = W * V * N::kGroup;
  typename N::Sum sums[2][W];
#pragma GCC unroll 4
  for (int j = 0; j < W; ++j) {
    sums[0][j] = t.begin(j);
    sums[1][j] = N::nothing();
  }
  const typename N::Weight* w = t.weights;
  std::int64_t g = 0;
  for (; g + 2 <= t.groups; g += 2, w += 2 * step) {
    const auto first = N::activations(t.left + N::place(g));
    const auto second = N::activations(t.left + N::place(g + 1));
#pragma GCC unroll 4
    for (int j = 0; j < W; ++j) {
      sums[0][j] = N::dot(sums[0][j], first, N::weights(w + j * V * N::kGroup));
      sums[1][j] = N::dot(sums[1][j], second, N::weights(w + step + j * V * N::kGroup));
    }
  }
  if (g < t.groups) {
    const auto last = N::activations(t.left + N::place(g));
#pragma GCC unroll 4
    for (int j = 0; j < W; ++j)
      sums[0][j] = N::dot(sums[0][j], last, N::weights(w + j * V * N::kGroup));
  }
  typename N::Sum both[1][W];
#pragma GCC unroll 4
  for (int j = 0; j < W; ++j) both[0][j] = N::sum_of(sums[0][j], sums[1][j]);
  finish_rows<N, 1, W>(t, both);
}

template <class N, int M, int W>
void multiply_rows(const Tile<N>& t) {
  constexpr int step = W * V * N::kGroup;
  typename N::Sum sums[M][W];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int j = 0; j < W; ++j) sums[m][j] = t.begin(j);
  const typename N::Weight* w = t.weights;
  for (std::int64_t g = 0; g < t.groups; ++g, w += step) {
    typename N::Factor left[M];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) left[m] = N::activations(t.left + m * t.left_stride + N::place(g));
#pragma GCC unroll 4
    for (int j = 0; j < W; ++j) {
      const auto weights = N::weights(w + j * V * N::kGroup);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) sums[m][j] = N::dot(sums[m][j], left[m], weights);
    }
  }
  finish_rows<N, M, W>(t, sums);
}

template <class N, int W, int M = N::kRows>
void multiply_some(const Tile<N>& t, std::int64_t rows) {
  if (rows == M) return multiply_rows<N, M, W>(t);
  if constexpr (M > 1) multiply_some<N, W, M - 1>(t, rows);
}

#if defined(__AMX_TILE__)
// The registers of tiles while this lives, rows of 64 bytes: of sums and activations as many as a
// product has, at most 16.
class TileRegisters {
 public:
  explicit TileRegisters(std::int64_t rows) { use(rows); }
  // From now on of products of so many rows.
  void use(std::int64_t count) {
    const auto rows = static_cast<std::uint8_t>(std::clamp<std::int64_t>(count, 1, 16));
    if (rows == rows_) return;
    rows_ = rows;
    const struct alignas(64) {
      std::uint8_t palette, start, reserved[14];
      std::uint16_t bytes[16];
      std::uint8_t rows[16];
    } config = {
        1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {rows, rows, rows, rows, rows, rows, 16, 16}};
    _tile_loadconfig(&config);
  }
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;

 private:
  std::uint8_t rows_ = 0;
};

// Rows that tiles take together: two times 16, or 16 whose upper and lower bytes lie apart.
template <class N>
constexpr std::int64_t kTogether = N::kBytes == 2 ? 16 : 32;

// At most so many rows and vectors [first, first + J) of a panel of W.
template <class N, int W, int J>
void multiply_tiles(const Tile<N>& t, std::int64_t rows, int first) {
  constexpr bool split = N::kBytes == 2;
  const bool two = split || rows > 16;
  const int left_bytes = static_cast<int>(t.left_stride * sizeof(*t.left));
  const auto* left = reinterpret_cast<const char*>(t.left);
  const char* const other = split ? left + 64 : left + 16 * left_bytes;
  const auto* w = reinterpret_cast<const char*>(t.weights) + first * 64;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t g = 0; g < t.groups; g += 16, w += 16 * W * 64) {
    _tile_loadd(4, left + g * 4 * N::kBytes, left_bytes);
    _tile_loadd(6, w, W * 64);
    if constexpr (J > 1) _tile_loadd(7, w + 64, W * 64);
    if constexpr (N::kExact) {
      _tile_dpbusd(0, 4, 6);
      if constexpr (J > 1) _tile_dpbusd(1, 4, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (J > 1) _tile_dpbf16ps(1, 4, 7);
    }
    if (!two) continue;
    _tile_loadd(5, other + g * 4 * N::kBytes, left_bytes);
    if constexpr (N::kExact) {
      _tile_dpbusd(2, 5, 6);
      if constexpr (J > 1) _tile_dpbusd(3, 5, 7);
    } else {
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (J > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }
  alignas(64) std::int32_t sums[4][16][16];
  _tile_stored(0, sums[0], 64);
  if constexpr (J > 1) _tile_stored(1, sums[1], 64);
  if (two) {
    _tile_stored(2, sums[2], 64);
    if constexpr (J > 1) _tile_stored(3, sums[3], 64);
  }
  for (std::int64_t m = 0; m < rows; ++m)
    for (int j = 0; j < J; ++j) {
      const Ints sum = load_ints(sums[m / 16 * 2 + j][m % 16]);
      if constexpr (split)
        t.finish(m, first + j, N::sum_of(t.begin(first + j), {sum, load_ints(sums[2 + j][m])}));
      else if constexpr (N::kExact)
        t.finish(m, first + j, N::sum_of(t.begin(first + j), sum));
      else
        t.finish(m, first + j, floats_of(sum));
    }
}

// Whether tiles are worth it, or the only way in which all rows have the same bits.
template <class N>
constexpr bool in_tiles(std::int64_t rows) {
  return !N::kExact || rows > 4;
}
#else
struct TileRegisters {
  explicit TileRegisters(std::int64_t) {}
  void use(std::int64_t) const {}
};
#endif

template <class N, int W>
void multiply(const Tile<N>& t, std::int64_t rows) {
#if defined(__AMX_TILE__)
  if (in_tiles<N>(rows)) {
    for (std::int64_t m = 0; m < rows; m += kTogether<N>) {
      const Tile<N> some = t.from_row(m);
      const std::int64_t count = std::min(kTogether<N>, rows - m);
      multiply_tiles<N, W, 2>(some, count, 0);
      multiply_tiles<N, W, W - 2>(some, count, 2);
    }
    return;
  }
#endif
  if constexpr (N::kExact)
    if (rows == 1) return multiply_row<N, W>(t);
  for (std::int64_t m = 0; m < rows; m += N::kRows)
    multiply_some<N, W>(t.from_row(m), std::min<std::int64_t>(N::kRows, rows - m));
}

}  // namespace rnnfast::reduced
