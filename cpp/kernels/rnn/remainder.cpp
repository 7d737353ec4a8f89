#include "kernels/rnn/remainder.h"

namespace rnnfast {

namespace {

constexpr int kMostRows = tile_rows<1>;

// sums (MR, W * V) = start + rows times the panel (K, W * V). A null start is zero.
template <class Scalar, int W, int MR>
__attribute__((noinline)) void remainder_tile(const Scalar* const* rows, const Scalar* panel,
                                              std::int64_t K, const Scalar* start, Scalar* sums) {
  constexpr int V = lanes<Scalar>;
  Vec<Scalar> acc[MR][1][W];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w)
      acc[m][0][w] = start != nullptr ? load(start + w * V) : zeros<Scalar>();
  Rows<Scalar, MR> left;
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) left.row[m] = rows[m];
  const Scalar* const right[1] = {panel};
  Nothing nothing;
  accumulate_rows<Scalar, MR, 1, W>(acc, left, right, W * V, K, nothing);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 4
    for (int w = 0; w < W; ++w) store(sums + (m * W + w) * V, acc[m][0][w]);
}

// Calls f(row, gate, sum) for the `count` gates of each row.
template <class Scalar, int W, class F>
void remainder_product(const PackedLayer<Scalar>& w, const Scalar* const* left, Range rows,
                       const Scalar* panel, std::int64_t K, const Scalar* start, int count,
                       const F& f) {
  constexpr int V = lanes<Scalar>;
  const Vec<Scalar> valid = first_lanes<Scalar>(w.last);
  alignas(64) Scalar sums[kMostRows * W * V + V] = {};  // loads reach beyond the last row
  for_row_tiles<tile_rows<W>>(rows, 0, [&](std::int64_t row, auto height, const Prefetch&) {
    constexpr int MR = decltype(height)::value;
    remainder_tile<Scalar, W, MR>(left + row, panel, K, start, sums);
    for (int m = 0; m < MR; ++m)
      for (int g = 0; g < count; ++g) {
        const Scalar* from = sums + m * W * V + g * w.last;
        f(row + m, g, bits_and(load(from), valid));
      }
  });
}

}  // namespace

template <class Scalar>
void remainder_input_product(const LayerPass<Scalar>& p, Range rows, Scalar* slots) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  with_rows<3>(w.x_remainder, [&](auto vectors) {
    remainder_product<Scalar, decltype(vectors)::value>(
        w, p.x, rows, w.remainder_ih, w.I, w.remainder_bias, w.cell.x_count,
        [&](std::int64_t row, int gate, const Vec<Scalar>& sum) {
          store(slots + ((row - rows.begin) * w.cell.slots + gate) * V, sum);
        });
  });
}

template <class Scalar>
void remainder_recurrent_product(const LayerPass<Scalar>& p, Range rows, Scalar* slots) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  const Scalar* bias = w.bias + (w.units - 1) * w.cell.slots * V;
  with_rows<3>(w.h_remainder, [&](auto vectors) {
    remainder_product<Scalar, decltype(vectors)::value>(
        w, p.h_prev, rows, w.remainder_hh, w.P, nullptr, w.cell.h_count,
        [&](std::int64_t row, int gate, const Vec<Scalar>& sum) {
          const int slot = w.cell.h_first + gate;
          Scalar* to = slots + ((row - rows.begin) * w.cell.slots + slot) * V;
          const Scalar* from = slot < w.cell.x_count ? to : bias + slot * V;
          store(to, add(load(from), sum));
        });
  });
}

#define RNNFAST_INSTANTIATE(Scalar)                                                        \
  template void remainder_input_product<Scalar>(const LayerPass<Scalar>&, Range, Scalar*); \
  template void remainder_recurrent_product<Scalar>(const LayerPass<Scalar>&, Range, Scalar*);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
