// Gradients of the weights, the biases and the input, from the slots' gradients: large products
// over chunks of rows. Each output has one owner and sums over rows in one order, whatever the
// number of threads.
#pragma once

#include "kernels/layer_pass.h"

namespace rnnfast {

// What one layer's direction gives and takes in backpropagation, beside its LayerPass.
template <class Scalar>
struct LayerGradients {
  const Scalar* const* dy;              // per row (P); null: zero
  const Scalar* dh_n;                   // (B, P) in the caller's order; null: zero
  const Scalar* dc_n;                   // (B, H); null: zero
  Scalar* dh0;                          // (B, P); null: not wanted
  Scalar* dc0;                          // (B, H)
  Scalar* const* dx;                    // per row (I); null: not wanted, or formed later
  bool dx_add;                          // add to dx rather than overwrite
  LayerParameters<Scalar*> parameters;  // added to

  // Scratch.
  Scalar* dcarry;    // [unit block][B][V]
  Scalar* d_output;  // [output block][row][V], layers with a projection
  Scalar* products;  // the weights' gradients as panels: see GradientLayout
  Scalar* left;      // rows of x and h<t-1>, interleaved for the tiles
};

// Rows whose slots one product pass reads while they stay in cache.
constexpr std::int64_t kGradientRows = 256;

// Steps [result, end) make a chunk of backpropagation.
inline std::int64_t gradient_chunk_begin(const Schedule& schedule, std::int64_t end) {
  std::int64_t begin = end - 1;
  while (begin > 0 && schedule.first[end] - schedule.first[begin] < 2 * kGradientRows) --begin;
  return begin;
}

// Sizes of a tile of the weights' gradients: rows are inputs k, vectors are slots.
template <int Count>
struct GradientTile {
  static constexpr int blocks = Count >= 3 ? 1 : Count == 2 ? 2 : 4;
  static constexpr int rows = tile_rows<blocks * Count>;
  static std::int64_t padded(std::int64_t K) { return (K + rows - 1) / rows * rows; }
};

// Where each gradient lies among `products`, each [block][padded k][slots][V].
template <class Scalar, class Cell>
struct GradientLayout {
  using X = GradientTile<Cell::x_count>;
  using H = GradientTile<Cell::h_count>;
  using Plain = GradientTile<1>;
  std::int64_t w_ih, w_hh, w_second, w_hr, bias, peephole, total;
  std::int64_t left_x, left_h, left_inner, left_total;

  explicit GradientLayout(const PackedLayer<Scalar>& w) {
    constexpr int V = lanes<Scalar>;
    std::int64_t at = 0;
    const auto take = [&at](std::int64_t size) { return (at += size) - size; };
    w_ih = take(w.units * X::padded(w.I) * w.x_width());
    w_hh = take(w.units * H::padded(w.P) * w.h_width());
    w_second = take(Cell::second_product ? w.units * Plain::padded(w.H) * V : 0);
    w_hr = take(w.projection ? w.outputs * Plain::padded(w.H) * V : 0);
    bias = take(w.units * Cell::slots * V);
    peephole = take(w.units * 3 * V);
    total = at;
    at = 0;
    left_x = take(X::padded(w.I) * kGradientRows);
    left_h = take(H::padded(w.P) * kGradientRows);
    left_inner =
        take(Cell::second_product || w.projection ? Plain::padded(w.H) * kGradientRows : 0);
    left_total = at;
  }
};

// dx = dG W_ih for rows [begin, end) of this worker's share of `members`.
template <class Scalar, class Cell>
class InputGradient {
  static constexpr int V = lanes<Scalar>;
  static constexpr int kBlocks = 4;
  static constexpr int kRows = tile_rows<kBlocks>;

 public:
  static void run(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to, Range rows,
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
    for_block_groups<kBlocks>(blocks, [&](std::int64_t block, auto n) {
      for_row_tiles<kRows>(Worker{}, mine, 0, [&](std::int64_t row, auto m) {
        tile<decltype(m)::value, decltype(n)::value>(p, dx, add_to, block, row);
      });
    });
  }

 private:
  template <int MR, int U>
  static void tile(const LayerPass<Scalar>& p, Scalar* const* dx, bool add_to, std::int64_t block,
                   std::int64_t row) {
    const PackedLayer<Scalar>& w = *p.weights;
    Vec<Scalar> acc[MR][U][1];
    clear<Scalar, MR, U, 1>(acc);
    for (std::int64_t unit = 0; unit < w.units; ++unit) {
      Rows<Scalar, MR> left;
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) left.row[m] = p.slots_at(unit, row + m) + Cell::x_first * V;
      const Scalar* right[U];
#pragma GCC unroll 8
      for (int u = 0; u < U; ++u)
        right[u] = w.w_ih_t + ((block + u) * w.units + unit) * w.x_width() * V;
      accumulate<Scalar, MR, U, 1>(acc, left, right, V, w.x_width());
    }
    for (int m = 0; m < MR; ++m)
      for (int u = 0; u < U; ++u) {
        const std::int64_t column = (block + u) * V, count = w.I - column;
        Scalar* to = dx[row + m] + column;
        Vec<Scalar> value = acc[m][u][0];
        if (add_to) value = add(load_first(static_cast<const Scalar*>(to), count), value);
        store_first(to, value, count);
      }
  }
};

template <class Scalar, class Cell>
class GradientProducts {
  static constexpr int V = lanes<Scalar>;
  using Layout = GradientLayout<Scalar, Cell>;
  using X = typename Layout::X;
  using H = typename Layout::H;
  using Plain = typename Layout::Plain;

 public:
  GradientProducts(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker)
      : p_(pass),
        g_(gradients),
        w_(*pass.weights),
        worker_(worker),
        layout_(w_),
        units_(share(w_.units, worker.member, worker.members)),
        outputs_(share(w_.outputs, worker.member, worker.members)) {}

  void begin() {
    const Range part = share(layout_.total, worker_.member, worker_.members);
    std::memset(g_.products + part.begin, 0,
                static_cast<std::size_t>(part.end - part.begin) * sizeof(Scalar));
  }

  // Steps [begin, end): their slots hold gradients now.
  void chunk(std::int64_t begin, std::int64_t end) {
    const Range all{p_.schedule->first[begin], p_.schedule->first[end]};
    for (std::int64_t row = all.begin; row < all.end; row += kGradientRows) {
      const Range rows{row, std::min(row + kGradientRows, all.end)};
      worker_.own->wait();  // the rows are complete, the last use of `left` is over
      interleave(rows);
      worker_.own->wait();
      weights(rows, begin);
      if (g_.dx != nullptr)
        InputGradient<Scalar, Cell>::run(p_, g_.dx, g_.dx_add, rows, worker_.member,
                                         worker_.members);
    }
  }

  // Adds the panels to the gradients in PyTorch's layout.
  void finish() {
    worker_.own->wait();
    const auto& to = g_.parameters;
    const CellLayout& cell = w_.layout;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      const std::int64_t n = w_.H - u * V;
      for (int s = 0; s < Cell::x_count; ++s)
        detail::unpack_lanes_add(
            g_.products + layout_.w_ih + u * X::padded(w_.I) * w_.x_width() + s * V, w_.x_width(),
            n, w_.I, to.w_ih + (cell.x_gate[s] * w_.H + u * V) * w_.I, w_.I);
      for (int s = 0; s < Cell::h_count; ++s)
        detail::unpack_lanes_add(
            g_.products + layout_.w_hh + u * H::padded(w_.P) * w_.h_width() + s * V, w_.h_width(),
            n, w_.P, to.w_hh + (cell.h_gate[s] * w_.H + u * V) * w_.P, w_.P);
      if (Cell::second_product)
        detail::unpack_lanes_add(g_.products + layout_.w_second + u * Plain::padded(w_.H) * V, V, n,
                                 w_.P, to.w_hh + (cell.second_gate * w_.H + u * V) * w_.P, w_.P);
      if (to.b_ih != nullptr) add_biases(u, n);
      if (Cell::peepholes)
        for (int g = 0; g < 3; ++g)
          add_to(to.peephole + g * w_.H + u * V, g_.products + layout_.peephole + (u * 3 + g) * V,
                 n);
    }
    if (w_.projection)
      for (std::int64_t o = outputs_.begin; o < outputs_.end; ++o)
        detail::unpack_lanes_add(g_.products + layout_.w_hr + o * Plain::padded(w_.H) * V, V,
                                 w_.P - o * V, w_.H, to.w_hr + o * V * w_.H, w_.H);
  }

 private:
  static void add_to(Scalar* to, const Scalar* from, std::int64_t count) {
    store_first(to, add(load_first(static_cast<const Scalar*>(to), count), load(from)), count);
  }

  void add_biases(std::int64_t u, std::int64_t n) {
    const CellLayout& cell = w_.layout;
    const Scalar* from = g_.products + layout_.bias + u * Cell::slots * V;
    for (int s = 0; s < Cell::x_count; ++s)
      add_to(g_.parameters.b_ih + cell.x_gate[s] * w_.H + u * V, from + (Cell::x_first + s) * V, n);
    for (int s = 0; s < Cell::h_count; ++s)
      add_to(g_.parameters.b_hh + cell.h_gate[s] * w_.H + u * V, from + (Cell::h_first + s) * V, n);
    if (Cell::second_product) add_to(g_.parameters.b_hh + cell.second_gate * w_.H + u * V, from, n);
  }

  // This worker's share of the left operands: [panel of k][row][k within the panel].
  void interleave(Range rows) {
    if (p_.index == nullptr)
      interleave_rows<X::rows>(g_.left + layout_.left_x, w_.I, rows,
                               [this](std::int64_t row) { return p_.x[row]; });
    interleave_rows<H::rows>(g_.left + layout_.left_h, w_.P, rows,
                             [this](std::int64_t row) { return p_.h_prev[row]; });
    if (Cell::second_product || w_.projection)
      interleave_rows<Plain::rows>(
          g_.left + layout_.left_inner, w_.H, rows,
          [this](std::int64_t row) { return p_.inner + row * p_.inner_stride; });
  }

  template <int MR, class Row>
  void interleave_rows(Scalar* to, std::int64_t K, Range rows, const Row& row_at) {
    const std::int64_t count = rows.end - rows.begin;
    const Range panels = share((K + MR - 1) / MR, worker_.member, worker_.members);
    for (std::int64_t r = 0; r < count; ++r) {
      const Scalar* row = row_at(rows.begin + r);
      for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
        Scalar* cell = to + (panel * count + r) * MR;
        const std::int64_t k = panel * MR;
        if (k + MR <= K)
          for (int m = 0; m < MR; ++m) cell[m] = row[k + m];
        else
          for (int m = 0; m < MR; ++m) cell[m] = k + m < K ? row[k + m] : Scalar(0);
      }
    }
  }

  void weights(Range rows, std::int64_t first_step) {
    if (p_.index != nullptr)
      scatter(rows);
    else
      product<X, Cell::x_count>(g_.left + layout_.left_x, w_.I, slots_operand(Cell::x_first),
                                units_, g_.products + layout_.w_ih, rows);
    product<H, Cell::h_count>(g_.left + layout_.left_h, w_.P, slots_operand(Cell::h_first), units_,
                              g_.products + layout_.w_hh, rows);
    if (Cell::second_product)
      product<Plain, 1>(g_.left + layout_.left_inner, w_.H, slots_operand(0), units_,
                        g_.products + layout_.w_second, rows);
    if (w_.projection)
      product<Plain, 1>(g_.left + layout_.left_inner, w_.H, {g_.d_output, p_.schedule->rows * V, V},
                        outputs_, g_.products + layout_.w_hr, rows);
    biases(rows);
    if constexpr (Cell::peepholes) peepholes(rows, first_step);
  }

  // Vectors of the right operand: of block u in row r at data + u * block + r * row.
  struct Operand {
    const Scalar* data;
    std::int64_t block, row;
  };
  Operand slots_operand(int slot) const {
    return {p_.slots + slot * V, p_.slot_rows * Cell::slots * V, Cell::slots * V};
  }

  // to[block][k][count][V] += sum over rows of left[k][row] right[block][row].
  template <class Shape, int Count>
  void product(const Scalar* left, std::int64_t K, const Operand& right, Range blocks, Scalar* to,
               Range rows) {
    constexpr int MR = Shape::rows;
    const std::int64_t padded = Shape::padded(K), n = rows.end - rows.begin;
    for_block_groups<Shape::blocks>(blocks, [&](std::int64_t block, auto group) {
      constexpr int U = decltype(group)::value;
      const Scalar* b[U];
      for (int u = 0; u < U; ++u)
        b[u] = right.data + (block + u) * right.block + rows.begin * right.row;
      for (std::int64_t k = 0; k < padded; k += MR) {
        Vec<Scalar> acc[MR][U][Count];
        Scalar* c = to + (block * padded + k) * Count * V;
#pragma GCC unroll 16
        for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
          for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
            for (int g = 0; g < Count; ++g)
              acc[m][u][g] =
                  load(static_cast<const Scalar*>(c + ((u * padded + m) * Count + g) * V));
        accumulate<Scalar, MR, U, Count>(acc, Interleaved<Scalar, MR>{left + k * n}, b, right.row,
                                         n);
#pragma GCC unroll 16
        for (int m = 0; m < MR; ++m)
#pragma GCC unroll 8
          for (int u = 0; u < U; ++u)
#pragma GCC unroll 8
            for (int g = 0; g < Count; ++g)
              store(c + ((u * padded + m) * Count + g) * V, acc[m][u][g]);
      }
    });
  }

  // Index inputs: a row's gradient goes to its index's panel row.
  void scatter(Range rows) {
    constexpr int G = Cell::x_count;
    const std::int64_t padded = X::padded(w_.I);
    for (std::int64_t u = units_.begin; u < units_.end; ++u)
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        const Scalar* from = p_.slots_at(u, row) + Cell::x_first * V;
        Scalar* to = g_.products + layout_.w_ih + (u * padded + p_.index[row]) * G * V;
        for (int g = 0; g < G; ++g)
          store(to + g * V, add(load(static_cast<const Scalar*>(to + g * V)), load(from + g * V)));
      }
  }

  void biases(Range rows) {
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      Scalar* to = g_.products + layout_.bias + u * Cell::slots * V;
      Vec<Scalar> sum[Cell::slots];
      for (int s = 0; s < Cell::slots; ++s) sum[s] = load(static_cast<const Scalar*>(to + s * V));
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        const Scalar* slots = p_.slots_at(u, row);
        for (int s = 0; s < Cell::slots; ++s) sum[s] = add(sum[s], load(slots + s * V));
      }
      for (int s = 0; s < Cell::slots; ++s) store(to + s * V, sum[s]);
    }
  }

  void peepholes(Range rows, std::int64_t first_step) {
    const Schedule& schedule = *p_.schedule;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      Scalar* to = g_.products + layout_.peephole + u * 3 * V;
      Vec<Scalar> sum[3];
      for (int g = 0; g < 3; ++g) sum[g] = load(static_cast<const Scalar*>(to + g * V));
      std::int64_t s = first_step;
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        while (row >= schedule.first[s + 1]) ++s;
        const std::int64_t b = row - schedule.first[s];
        const bool cut = p_.cut != nullptr && p_.cut[row] != 0;
        const auto at = [&](std::int64_t step) {
          return load(static_cast<const Scalar*>(p_.carry_at(u, p_.carry_row(step, b))));
        };
        Cell::peephole_backward(sum, p_.slots_at(u, row), cut ? zeros<Scalar>() : at(s - 1), at(s));
      }
      for (int g = 0; g < 3; ++g) store(to + g * V, sum[g]);
    }
  }

  const LayerPass<Scalar>& p_;
  const LayerGradients<Scalar>& g_;
  const PackedLayer<Scalar>& w_;
  const Worker& worker_;
  const Layout layout_;
  const Range units_, outputs_;
};

}  // namespace rnnfast
