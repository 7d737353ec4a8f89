#include "kernels/rnn/products.h"

#include "kernels/rnn/remainder.h"

namespace rnnfast {

namespace {

// One tile of the input product, rows from `row` on.
template <class Scalar>
void input_tile(const LayerPass<Scalar>& p, std::int64_t first_row, std::int64_t block,
                std::int64_t row, TileSize size, const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  const std::int64_t slots = w.cell.slots * V;
  Scalar* const to = p.workspace_at(block, p.workspace_row(row, first_row));
  if (p.index == nullptr)
    return multiply_tile<Scalar>(
        w.cell.x_count, size,
        {p.x + row, w.I, w.w_ih, block, prefetch, w.bias + block * slots, slots},
        {to, slots, p.workspace_rows * slots});
  for (int u = 0; u < size.blocks; ++u)
    for (int m = 0; m < size.rows; ++m) {
      const Scalar* bias = w.bias + (block + u) * slots;
      const Scalar* column = w.w_ih + ((block + u) * w.I + p.index[row + m]) * w.cell.x_count * V;
      Scalar* sum = to + u * p.workspace_rows * slots + m * slots;
      for (int g = 0; g < w.cell.x_count; ++g)
        store(sum + g * V, add(load(bias + g * V), load(column + g * V)));
    }
}

template <class Scalar>
void projection_tile(const LayerPass<Scalar>& p, std::int64_t s, std::int64_t block, std::int64_t b,
                     TileSize size, const Prefetch& prefetch) {
  const PackedLayer<Scalar>& w = *p.weights;
  const std::int64_t row = p.schedule->first[s] + b;
  TileSums<Scalar> sums(size, 1);
  inner_product(p, row, b, size, w.w_hr, block, prefetch, sums.all());
  for (int m = 0; m < size.rows; ++m)
    for (int u = 0; u < size.blocks; ++u) {
      const std::int64_t column = (block + u) * lanes<Scalar>;
      store_first(p.y[row + m] + column, load(sums.at(m, u)), w.P - column);
    }
}

// What comes back past the products to V columns of the input, of a layer with a highway.
template <class Scalar>
Vec<Scalar> highway_gradient(const LayerPass<Scalar>& p, std::int64_t row, std::int64_t column) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  const std::int64_t first = column - w.highway;  // the first column's unit
  const auto at = [&](std::int64_t unit) {
    return p.workspace_at(unit / V, row) + (w.cell.slots - 1) * V + unit % V;
  };
  Scalar d[V] = {};
  if (first >= 0 && first % V == 0 && first < w.H) {
    store_first(d, load(static_cast<const Scalar*>(at(first))), w.H - first);
  } else {
    for (int v = 0; v < V; ++v)
      if (first + v >= 0 && first + v < w.H) d[v] = *at(first + v);
  }
  return mul(load_first(static_cast<const Scalar*>(d), V), broadcast(w.highway_scale));
}

template <class Scalar>
void input_gradient_tile(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to,
                         std::int64_t block, std::int64_t row, TileSize size,
                         const Prefetch& prefetch) {
  const PackedLayer<Scalar>& w = *p.weights;
  TileSums<Scalar> sums(size, 1);
  slots_product(p, row, 0, w.x_width(), size, p.transposed.w_ih, block, prefetch, sums.all());
  for (int m = 0; m < size.rows; ++m)
    for (int u = 0; u < size.blocks; ++u) {
      const std::int64_t column = (block + u) * lanes<Scalar>, count = w.I - column;
      Scalar* to = dx[row + m] + column;
      Vec<Scalar> value = load(sums.at(m, u));
      if (w.highway >= 0) value = add(value, highway_gradient(p, row + m, column));
      if (add_to) value = add(load_first(static_cast<const Scalar*>(to), count), value);
      store_first(to, value, count);
    }
}

}  // namespace

template <class Scalar>
void input_product(const LayerPass<Scalar>& p, const Worker& worker, Range blocks, bool down,
                   std::int64_t after, Range steps, std::int64_t place) {
  const Schedule& schedule = *p.schedule;
  const std::int64_t first = schedule.first[steps.begin];
  const std::int64_t chunk = schedule.first[steps.end] - first;
  const TileShape shape = tile_shape(p.weights->cell.x_count);
  for_block_groups(
      shape.blocks, blocks, down, after, [&](std::int64_t block, int group, std::int64_t next) {
        const auto remainder = [&](std::int64_t row, Range rows, std::int64_t first_row) {
          rows = {row + rows.begin, row + rows.end};
          remainder_input_product(p, rows,
                                  p.workspace_at(block, p.workspace_row(rows.begin, first_row)));
        };
        if (p.in_remainder(block, p.weights->x_remainder) && p.index == nullptr) {
          if (!worker.split_rows) return remainder(first, {0, chunk}, first - place);
          for (std::int64_t s = steps.begin; s < steps.end; ++s)
            remainder(schedule.first[s], worker.my_rows({0, schedule.active[s]}),
                      first_workspace_row(schedule, worker, steps.begin, s));
        } else if (!worker.split_rows) {
          // All rows of the chunk, as if it were one tall step.
          for_row_tiles(shape.rows, {0, chunk}, next,
                        [&](std::int64_t row, int rows, const Prefetch& prefetch) {
                          input_tile(p, first - place, block, first + row, {rows, group}, prefetch);
                        });
        } else {
          for (std::int64_t s = steps.begin; s < steps.end; ++s)
            for_row_tiles(shape.rows, worker.my_rows({0, schedule.active[s]}), next,
                          [&](std::int64_t b, int rows, const Prefetch& prefetch) {
                            input_tile(p, first_workspace_row(schedule, worker, steps.begin, s),
                                       block, schedule.first[s] + b, {rows, group}, prefetch);
                          });
        }
      });
}

template <class Scalar>
void projection_product(const LayerPass<Scalar>& p, const Worker& worker, std::int64_t s,
                        bool down) {
  for_tiles(tile_shape(1), worker, worker.my_blocks(p.weights->outputs), {0, p.schedule->active[s]},
            p.schedule->B, down,
            [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
              projection_tile(p, s, block, b, size, prefetch);
            });
}

template <class Scalar>
void input_gradient(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to, Range rows,
                    int member, int members) {
  const PackedLayer<Scalar>& w = *p.weights;
  // Few input blocks: deal out rows, else blocks (each thread then reads its part of W_ih only).
  const bool by_rows = w.inputs < 4 * members;
  const Range blocks = by_rows ? Range{0, w.inputs} : share(w.inputs, member, members);
  Range mine = rows;
  if (by_rows) {
    const Range part = share(rows.end - rows.begin, member, members);
    mine = {rows.begin + part.begin, rows.begin + part.end};
  }
  constexpr TileShape shape = tile_shape(1);
  for_block_groups(shape.blocks, blocks, false, blocks.begin,
                   [&](std::int64_t block, int group, std::int64_t next) {
                     for_row_tiles(shape.rows, mine, next,
                                   [&](std::int64_t row, int height, const Prefetch& prefetch) {
                                     input_gradient_tile(p, dx, add_to, block, row, {height, group},
                                                         prefetch);
                                   });
                   });
}

#define RNNFAST_INSTANTIATE(Scalar)                                                                \
  template void input_product<Scalar>(const LayerPass<Scalar>&, const Worker&, Range, bool,        \
                                      std::int64_t, Range, std::int64_t);                          \
  template void projection_product<Scalar>(const LayerPass<Scalar>&, const Worker&, std::int64_t,  \
                                           bool);                                                  \
  template void input_gradient<Scalar>(const LayerPass<Scalar>&, Scalar* const*, bool, Range, int, \
                                       int);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
