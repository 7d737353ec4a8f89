#include "kernels/rnn/backward_driver.h"

namespace rnnfast {

template <class Scalar>
void BackwardDriver<Scalar>::run() {
  const Schedule& schedule = *p_.schedule;
  begin_gradients(p_, g_, worker_);
  begin_carry();
  const std::int64_t products = gradient_products(schedule.rows);
  const std::int64_t rows = (schedule.rows + products - 1) / products;
  for (std::int64_t end = schedule.steps; end > 0;) {
    const std::int64_t begin = chunk_begin(schedule, end, rows);
    if (p_.observer == nullptr)
      run_steps({begin, end});
    else
      parts({begin, end});
    if (begin == 0) initial_state();
    add_gradients(p_, g_, worker_, begin, end);
    end = begin;
  }
  if (schedule.steps == 0) initial_state();
  finish_gradients(p_, g_, worker_);
}

// The gradient of the carry after the last step: dc_n, else nothing.
template <class Scalar>
void BackwardDriver<Scalar>::begin_carry() {
  if (cell_.carries()) {
    const bool given = cell_.has_memory() && g_.dc_n != nullptr;
    const Range units = share(w_.units, worker_.member, worker_.members);
    for (std::int64_t block = units.begin; block < units.end; ++block)
      for (std::int64_t b = 0; b < p_.schedule->B; ++b) {
        const std::int64_t at = p_.schedule->order[b] * g_.c_stride + block * V;
        store(dcarry_at(block, b),
              given ? load_first(g_.dc_n + at, w_.H - block * V) : zeros<Scalar>());
      }
    // Rows may belong to another thread than blocks.
    if (worker_.split_rows) worker_.own->wait();
  }
}

// The same in parts, each with its gradient of the input, for which another layer waits.
template <class Scalar>
void BackwardDriver<Scalar>::parts(Range steps) {
  const Schedule& schedule = *p_.schedule;
  for (std::int64_t end = steps.end; end > steps.begin;) {
    const std::int64_t begin =
        std::max(steps.begin, chunk_begin(schedule, end, p_.observer->rows()));
    p_.observer->before({begin, end});
    run_steps({begin, end});
    if (g_.dx != nullptr)
      input_gradient(p_, g_.dx, g_.dx_add, {schedule.first[begin], schedule.first[end]}, 0, 1);
    p_.observer->after({begin, end});
    end = begin;
  }
}

template <class Scalar>
void BackwardDriver<Scalar>::run_steps(Range steps) {
  if (!cell_.recurrent_product()) return pointwise(steps);
  for (std::int64_t s = steps.end - 1; s >= steps.begin; --s) step(s);
}

template <class Scalar>
void BackwardDriver<Scalar>::step(std::int64_t s) {
  const Schedule& schedule = *p_.schedule;
  const std::int64_t n = schedule.active[s], batch = schedule.B;
  const bool down = p_.goes_down(s);
  const std::int64_t later = s + 1 < schedule.steps ? schedule.active[s + 1] : 0;
  const auto tiles = [&](Range blocks, Range rows, const auto& f) {
    for_tiles(tile_shape(1), worker_, blocks, rows, batch, down, f);
  };
  for (const bool ends : {false, true})
    tiles(outputs_, ends ? Range{later, n} : Range{0, later},
          [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
            output_tile(s, block, b, size, ends, prefetch);
          });
  if (cell_.may_project && w_.projection) {
    worker_.step_barrier();
    tiles(blocks_, {0, n},
          [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
            projection_tile(s, block, b, size, prefetch);
          });
  }
  if (cell_.normalised()) {
    worker_.step_barrier();
    norms(s, n);
  }
  if (cell_.second_product()) {
    worker_.step_barrier();
    tiles(blocks_, {0, n},
          [&](std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch) {
            second_tile(s, block, b, size, prefetch);
          });
  }
  worker_.step_barrier();
}

// dh0 = W_hh^T dG<1>, plus what bypasses the product; dc0.
template <class Scalar>
void BackwardDriver<Scalar>::initial_state() {
  const Schedule& schedule = *p_.schedule;
  const std::int64_t begun = schedule.steps > 0 ? schedule.active[0] : 0;
  if (worker_.split_rows) worker_.own->wait();
  const Range units = share(w_.units, worker_.member, worker_.members);
  if (g_.dc0 != nullptr)
    for (std::int64_t block = units.begin; block < units.end; ++block)
      for (std::int64_t b = 0; b < schedule.B; ++b)
        store_first(g_.dc0 + schedule.order[b] * g_.c_stride + block * V,
                    load(static_cast<const Scalar*>(dcarry_at(block, b))), w_.H - block * V);
  if (g_.dh0 == nullptr) return;
  const Range outputs = share(w_.outputs, worker_.member, worker_.members);
  constexpr TileShape shape = tile_shape(1);
  for_block_groups(shape.blocks, outputs, false, outputs.begin,
                   [&](std::int64_t block, int group, std::int64_t next) {
                     for_row_tiles(shape.rows, {0, begun}, next,
                                   [&](std::int64_t b, int rows, const Prefetch& prefetch) {
                                     initial_tile(block, b, {rows, group}, prefetch);
                                   });
                     for (std::int64_t b = begun; b < schedule.B; ++b)
                       for (int u = 0; u < group; ++u) {
                         const std::int64_t at = schedule.order[b] * w_.P + (block + u) * V;
                         const std::int64_t count = w_.P - (block + u) * V;
                         store_first(
                             g_.dh0 + at,
                             g_.dh_n != nullptr ? load_first(g_.dh_n + at, count) : zeros<Scalar>(),
                             count);
                       }
                   });
}

template <class Scalar>
void BackwardDriver<Scalar>::initial_tile(std::int64_t block, std::int64_t b, TileSize size,
                                          const Prefetch& prefetch) {
  TileSums<Scalar> sums(size, 1);
  if (cell_.recurrent_product())
    slots_product(p_, b, cell_.h_first, w_.h_width(), size, p_.transposed.w_hh, block, prefetch,
                  sums.all());
  for (int u = 0; u < size.blocks; ++u)
    for (int m = 0; m < size.rows; ++m) {
      Vec<Scalar> dh = zeros<Scalar>();
      if (cell_.recurrent_product())
        if (!p_.is_reset(b + m)) dh = load(sums.at(m, u));
      if (cell_.keeps_output())
        dh = add(dh, load(static_cast<const Scalar*>(dkept_at(block + u, b + m))));
      if (cell_.carry == Carry::output)
        dh = add(dh, load(static_cast<const Scalar*>(dcarry_at(block + u, b + m))));
      const std::int64_t column = (block + u) * V;
      store_first(g_.dh0 + p_.schedule->order[b + m] * w_.P + column, dh, w_.P - column);
    }
}

template class BackwardDriver<float>;
template class BackwardDriver<double>;

}  // namespace rnnfast
