#include "kernels/rnn/remainder.h"

namespace rnnfast {

namespace {

// Calls f(row, gate, sum) for the `count` gates of each row, of a product with one panel of so many
// vectors.
template <class Scalar, class F>
void remainder_product(const PackedLayer<Scalar>& w, int vectors, const Scalar* const* left,
                       Range rows, const Scalar* panel, std::int64_t K, const Scalar* start,
                       int count, const F& f) {
  constexpr int V = lanes<Scalar>;
  const Vec<Scalar> valid = first_lanes<Scalar>(w.last);
  alignas(64) Scalar sums[kTileVectors * V + V] = {};  // loads reach beyond the last row
  for_row_tiles(tile_rows(vectors), rows, 0, [&](std::int64_t row, int height, const Prefetch&) {
    multiply_tile<Scalar>(vectors, {height, 1}, {left + row, K, panel, 0, {}, start, 0},
                          {sums, vectors * V, 0});
    for (int m = 0; m < height; ++m)
      for (int g = 0; g < count; ++g)
        f(row + m, g, bits_and(load(sums + m * vectors * V + g * w.last), valid));
  });
}

}  // namespace

template <class Scalar>
void remainder_input_product(const LayerPass<Scalar>& p, Range rows, Scalar* slots) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  remainder_product(w, w.x_remainder, p.x, rows, w.remainder_ih, w.I, w.remainder_bias,
                    w.cell.x_count, [&](std::int64_t row, int gate, const Vec<Scalar>& sum) {
                      store(slots + ((row - rows.begin) * w.cell.slots + gate) * V, sum);
                    });
}

template <class Scalar>
void remainder_recurrent_product(const LayerPass<Scalar>& p, Range rows, Scalar* slots) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  const Scalar* bias = w.bias + (w.units - 1) * w.cell.slots * V;
  remainder_product<Scalar>(w, w.h_remainder, p.h_prev, rows, w.remainder_hh, w.P, nullptr,
                            w.cell.h_count,
                            [&](std::int64_t row, int gate, const Vec<Scalar>& sum) {
                              const int slot = w.cell.h_first + gate;
                              Scalar* to = slots + ((row - rows.begin) * w.cell.slots + slot) * V;
                              const Scalar* from = slot < w.cell.x_count ? to : bias + slot * V;
                              store(to, add(load(from), sum));
                            });
}

#define RNNFAST_INSTANTIATE(Scalar)                                                        \
  template void remainder_input_product<Scalar>(const LayerPass<Scalar>&, Range, Scalar*); \
  template void remainder_recurrent_product<Scalar>(const LayerPass<Scalar>&, Range, Scalar*);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
