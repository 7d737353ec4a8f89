// What lies between the products and the state of a cell with norms, a row at a time: the norms of
// a row want all of its units.
#pragma once

#include "kernels/rnn/gradients.h"
#include "kernels/rnn/noise.h"
#include "kernels/rnn/normalise.h"

namespace rnnfast {

template <class Scalar, class Cell>
class RowPhase {
  static constexpr int V = lanes<Scalar>;
  static constexpr const CellDescriptor& cell = Cell::descriptor;
  static constexpr bool has_memory = cell.memory_slot >= 0;
  static constexpr int products = cell.x_count + cell.h_count;  // slots that those feed
  static constexpr int norms = cell.norm_count;
  static constexpr int sums = cell.sums();
  using Vector = Vec<Scalar>;

 public:
  explicit RowPhase(const LayerPass<Scalar>& pass)
      : p_(pass),
        w_(*pass.weights),
        shape_{w_.units, pass.workspace_rows * cell.slots * V, w_.last, w_.H} {}

  // Step s of sequence b, from its products in row `place` of the workspace to its state. Leaves
  // the normalised products, and memory, in the slots.
  void forward(std::int64_t s, std::int64_t b, std::int64_t place) const {
    const std::int64_t row = p_.schedule->first[s] + b;
    Scalar* const first = p_.workspace_at(0, place);
    Norm<Scalar> norm[norms];
    for_norms<0, norms - has_memory>([&](auto i) { norm[i] = norm_at<i>(first); });
    for (std::int64_t block = 0; block < w_.units; ++block) {
      Scalar* const slots = p_.workspace_at(block, place);
      const Vector valid = valid_at(block);
#pragma GCC unroll 9
      for (int slot = 0; slot < products; ++slot)
        store(slots + slot * V, bits_and(normalised(norm[norm_of(slot)], get(slots, slot)), valid));
      Vector a[sums];
      gates_from(slots, block, a);
      const auto noise = p_.noise_at(row, s, b, block);
      Vector carry;
      const Vector k =
          Cell::template memory<Scalar>(a, p_.previous_carry(row, block, s, b), noise, carry);
      store(p_.carry_at(block, p_.carry_row(s, b)), carry);
      if constexpr (has_memory) {
        store(slots + cell.memory_slot * V, k);
        put_output(row, block, a[Cell::output_gate]);  // until all of k is there
      } else {
        put_output(row, block, k);
      }
    }
    if constexpr (has_memory) {
      norm[norms - 1] = norm_at<norms - 1>(first);
      for (std::int64_t block = 0; block < w_.units; ++block) {
        Scalar* const k = p_.workspace_at(block, place) + cell.memory_slot * V;
        const Vector y = bits_and(normalised(norm[norms - 1], load(static_cast<const Scalar*>(k))),
                                  valid_at(block));
        store(k, y);
        const Vector o =
            load_first(static_cast<const Scalar*>(p_.y[row]) + block * V, w_.H - block * V);
        put_output(row, block,
                   Cell::template output<Scalar>(o, affine(block, cell.memory_slot, y),
                                                 p_.noise_at(row, s, b, block)));
      }
    }
    if (p_.keep)
      for (int i = 0; i < norms; ++i) p_.slopes[row * norms + i] = norm[i].slope;
  }

  // The way back, given dh [block][b][V] in `d_output`: the slots become the gradients of the
  // products. `space` has room for the cell's `row_scratch` vectors a block.
  void backward(const LayerGradients<Scalar>& g, std::int64_t s, std::int64_t b,
                Scalar* space) const {
    const std::int64_t row = p_.schedule->first[s] + b, B = p_.schedule->B;
    const bool begins = p_.is_reset(row);
    NormGradient<Scalar> norm[norms];
    const auto finish = [&](int i) {
      norm[i].finish(p_.slopes[row * norms + i],
                     (cell.norm_first[i + 1] - cell.norm_first[i]) * w_.H);
    };
    if constexpr (has_memory) {
      for (std::int64_t block = 0; block < w_.units; ++block) {
        const Scalar* const slots = p_.workspace_at(block, row);
        Scalar* const own = space + block * cell.row_scratch() * V;
        Vector a[sums], dkept;
        gates_from(slots, block, a);
        const Vector y = get(slots, cell.memory_slot);
        const Vector d = Cell::template output_backward<Scalar>(
            a[Cell::output_gate], affine(block, cell.memory_slot, y),
            load(static_cast<const Scalar*>(g.d_output + (block * B + b) * V)),
            p_.noise_at(row, s, b, block), dkept);
        store(g.dkept + (block * B + b) * V, begins ? zeros<Scalar>() : dkept);
        if (g.of_weights()) {
          Scalar* const to = g.d_norm + (block * B + b) * cell.norm_gradients() * V;
          add_to(to + cell.memory_slot * V, mul(d, y));
          add_to(to + (cell.slots + sums) * V, d);
        }
        const Vector dy = mul(d, load(w_.norm_at(block, cell.memory_slot)));
        norm[norms - 1].add_vector(dy, y);
        for (int i = 0; i < sums; ++i) store(own + i * V, a[i]);
        store(own + sums * V, dy);
      }
      finish(norms - 1);
    }
    for (std::int64_t block = 0; block < w_.units; ++block) {
      const Scalar* const slots = p_.workspace_at(block, row);
      Scalar* const own = space + block * cell.row_scratch() * V;
      Vector a[sums], dk;
      if constexpr (has_memory) {
        for (int i = 0; i < sums; ++i) a[i] = get(own, i);
        dk = bits_and(norm[norms - 1](get(own, sums), get(slots, cell.memory_slot)),
                      valid_at(block));
      } else {
        gates_from(slots, block, a);
        dk = load(static_cast<const Scalar*>(g.d_output + (block * B + b) * V));
      }
      Scalar* const dcarry_at = g.dcarry + (block * B + b) * V;
      Vector dcarry = load(static_cast<const Scalar*>(dcarry_at));
      Cell::template memory_backward<Scalar>(a, dk, dcarry, p_.previous_carry(row, block, s, b),
                                             p_.noise_at(row, s, b, block));
      store(dcarry_at, begins ? zeros<Scalar>() : dcarry);
      Scalar* const to =
          g.of_weights() ? g.d_norm + (block * B + b) * cell.norm_gradients() * V : nullptr;
#pragma GCC unroll 9
      for (int slot = 0; slot < products; ++slot) {
        const Vector d = a[cell.sum_of(slot)], y = get(slots, slot);
        if (to != nullptr) add_to(to + slot * V, mul(d, y));
        norm[norm_of(slot)].add_vector(mul(d, load(w_.norm_at(block, slot))), y);
      }
      for (int i = 0; i < sums; ++i) {
        if (to != nullptr) add_to(to + (cell.slots + i) * V, a[i]);
        store(own + i * V, a[i]);
      }
    }
    for (int i = 0; i < norms - has_memory; ++i) finish(i);
    for (std::int64_t block = 0; block < w_.units; ++block) {
      Scalar* const slots = p_.workspace_at(block, row);
      const Scalar* const own = space + block * cell.row_scratch() * V;
      const Vector valid = valid_at(block);
#pragma GCC unroll 9
      for (int slot = 0; slot < products; ++slot) {
        const Vector dy = mul(get(own, cell.sum_of(slot)), load(w_.norm_at(block, slot)));
        store(slots + slot * V, bits_and(norm[norm_of(slot)](dy, get(slots, slot)), valid));
      }
    }
  }

  // The gates of a row that a pass kept, [block][sum][V], where the sum's place is that of the
  // gate's slot.
  void gates(std::int64_t row, Scalar* to) const {
    for (std::int64_t block = 0; block < w_.units; ++block) {
      Vector a[sums];
      gates_from(p_.workspace_at(block, row), block, a);
      for (int i = 0; i < sums; ++i) store(to + (block * sums + i) * V, a[i]);
    }
  }

 private:
  static constexpr int norm_of(int slot) {
    int i = 0;
    while (slot >= cell.norm_first[i + 1]) ++i;
    return i;
  }
  template <int I, int End, class F>
  static void for_norms(const F& f) {
    if constexpr (I < End) {
      f(std::integral_constant<int, I>());
      for_norms<I + 1, End>(f);
    }
  }
  template <int I>
  Norm<Scalar> norm_at(Scalar* slots) const {
    constexpr int begin = cell.norm_first[I];
    return norm_of_row<cell.norm_first[I + 1] - begin>(slots + begin * V, shape_);
  }

  static RNNFAST_INLINE Vector get(const Scalar* from, int i) { return load(from + i * V); }
  static RNNFAST_INLINE void add_to(Scalar* to, const Vector& value) {
    store(to, add(load(static_cast<const Scalar*>(to)), value));
  }
  RNNFAST_INLINE Vector valid_at(std::int64_t block) const {
    return block + 1 < w_.units ? whole_ : edge_;
  }
  RNNFAST_INLINE void put_output(std::int64_t row, std::int64_t block, const Vector& value) const {
    store_first(p_.y[row] + block * V, value, w_.H - block * V);
  }
  RNNFAST_INLINE Vector affine(std::int64_t block, int slot, const Vector& y) const {
    const Scalar* const at = w_.norm_at(block, slot);
    return madd(load(at), y, load(at + V));
  }
  // From normalised products to the gates.
  RNNFAST_INLINE void gates_from(const Scalar* slots, std::int64_t block, Vector (&a)[sums]) const {
#pragma GCC unroll 9
    for (int slot = 0; slot < products; ++slot) {
      const Vector value = affine(block, slot, get(slots, slot));
      const int to = cell.sum_of(slot);
      a[to] = slot < cell.x_count || to >= cell.x_count ? value : add(a[to], value);
    }
    Cell::template activate<Scalar>(a);
  }

  const LayerPass<Scalar>& p_;
  const PackedLayer<Scalar>& w_;
  const RowShape shape_;
  const Vector whole_ = first_lanes<Scalar>(V), edge_ = first_lanes<Scalar>(w_.last);
};

}  // namespace rnnfast
