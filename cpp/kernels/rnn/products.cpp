#include "kernels/rnn/products.h"

#include "kernels/rnn/remainder.h"

namespace rnnfast {

namespace {

// One tile of the input product: MR rows from `row` on, U unit blocks of Count slots each.
template <class Scalar, int Count, int MR, int U>
void input_tile(const LayerPass<Scalar>& p, std::int64_t first_row, std::int64_t block,
                std::int64_t row, const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  Vec<Scalar> acc[MR][U][Count];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
      for (int g = 0; g < Count; ++g)
        acc[m][u][g] =
            load(static_cast<const Scalar*>(w.bias + ((block + u) * w.cell.slots + g) * V));
  if (p.index != nullptr) {
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u) {
        const Scalar* column = w.w_ih + ((block + u) * w.I + p.index[row + m]) * Count * V;
#pragma GCC unroll 8
        for (int g = 0; g < Count; ++g) acc[m][u][g] = add(acc[m][u][g], load(column + g * V));
      }
  } else {
    Rows<Scalar, MR> left;
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) left.row[m] = p.x[row + m];
    accumulate_panels<Scalar, MR, U, Count>(acc, left, w.w_ih, w.I, block, prefetch);
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) {
      Scalar* slots = p.workspace_at(block + u, p.workspace_row(row + m, first_row));
#pragma GCC unroll 8
      for (int g = 0; g < Count; ++g) store(slots + g * V, acc[m][u][g]);
    }
}

template <class Scalar, int MR, int U>
void projection_tile(const LayerPass<Scalar>& p, std::int64_t s, std::int64_t block, std::int64_t b,
                     const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  const std::int64_t row = p.schedule->first[s] + b;
  Vec<Scalar> acc[MR][U][1];
  clear<Scalar, MR, U, 1>(acc);
  accumulate_panels<Scalar, MR, U, 1>(acc, inner_rows<Scalar, MR>(p, row, b), w.w_hr, w.H, block,
                                      prefetch);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u)
      store_first(p.y[row + m] + (block + u) * V, acc[m][u][0], w.P - (block + u) * V);
}

template <class Scalar, int MR, int U>
void input_gradient_tile(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to,
                         std::int64_t block, std::int64_t row, const Prefetch& prefetch) {
  constexpr int V = lanes<Scalar>;
  const PackedLayer<Scalar>& w = *p.weights;
  Vec<Scalar> acc[MR][U][1];
  clear<Scalar, MR, U, 1>(acc);
  accumulate_slots<Scalar, MR, U>(acc, p, row, 0, w.x_width(), w.w_ih_t, block, prefetch);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) {
      const std::int64_t column = (block + u) * V, count = w.I - column;
      Scalar* to = dx[row + m] + column;
      Vec<Scalar> value = acc[m][u][0];
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
  with_rows<4>(p.weights->cell.x_count, [&](auto slots) {
    constexpr int Count = decltype(slots)::value;
    using Shape = BlockTile<Count>;
    for_block_groups<Shape::blocks>(
        blocks, down, after, [&](std::int64_t block, auto group, std::int64_t next) {
          constexpr int U = decltype(group)::value;
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
            for_row_tiles<Shape::rows>({0, chunk}, next,
                                       [&](std::int64_t row, auto rows, const Prefetch& prefetch) {
                                         input_tile<Scalar, Count, decltype(rows)::value, U>(
                                             p, first - place, block, first + row, prefetch);
                                       });
          } else {
            for (std::int64_t s = steps.begin; s < steps.end; ++s)
              for_row_tiles<Shape::rows>(
                  worker, {0, schedule.active[s]}, next,
                  [&](std::int64_t b, auto rows, const Prefetch& prefetch) {
                    input_tile<Scalar, Count, decltype(rows)::value, U>(
                        p, first_workspace_row(schedule, worker, steps.begin, s), block,
                        schedule.first[s] + b, prefetch);
                  });
          }
        });
  });
}

template <class Scalar>
void projection_product(const LayerPass<Scalar>& p, const Worker& worker, std::int64_t s,
                        bool down) {
  using Shape = BlockTile<1>;
  for_tiles<Shape>(worker, worker.my_blocks(p.weights->outputs), {0, p.schedule->active[s]},
                   p.schedule->B, down,
                   [&](auto block, auto blocks, auto b, auto rows, const Prefetch& prefetch) {
                     projection_tile<Scalar, decltype(rows)::value, decltype(blocks)::value>(
                         p, s, block, b, prefetch);
                   });
}

template <class Scalar>
void input_gradient(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to, Range rows,
                    int member, int members) {
  using Shape = BlockTile<1>;
  const PackedLayer<Scalar>& w = *p.weights;
  // Few input blocks: deal out rows, else blocks (each thread then reads its part of W_ih only).
  const bool by_rows = w.inputs < 4 * members;
  const Range blocks = by_rows ? Range{0, w.inputs} : share(w.inputs, member, members);
  Range mine = rows;
  if (by_rows) {
    const Range part = share(rows.end - rows.begin, member, members);
    mine = {rows.begin + part.begin, rows.begin + part.end};
  }
  for_block_groups<Shape::blocks>(
      blocks, false, blocks.begin, [&](std::int64_t block, auto n, std::int64_t next) {
        for_row_tiles<Shape::rows>(
            mine, next, [&](std::int64_t row, auto m, const Prefetch& prefetch) {
              input_gradient_tile<Scalar, decltype(m)::value, decltype(n)::value>(
                  p, dx, add_to, block, row, prefetch);
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
