#include "kernels/rnn/gradients.h"

#include "kernels/rnn/gradient_layout.h"
#include "kernels/rnn/products.h"

namespace rnnfast {

namespace {

template <class Scalar>
class GradientProducts {
  static constexpr int V = lanes<Scalar>;

 public:
  GradientProducts(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker)
      : p_(pass),
        g_(gradients),
        w_(*pass.weights),
        worker_(worker),
        at_(w_, pass.index != nullptr, most_gradient_rows(pass.schedule->rows)),
        cell_(w_.cell),
        units_(share(w_.units, worker.member, worker.members)) {}

  // Zeros what sums are added to.
  void begin() {
    if (!g_.of_weights()) return;
    set_to_zero(g_.sums, at_.total);
    if (cell_.normalised())
      set_to_zero(g_.d_norm, w_.units * p_.schedule->B * cell_.norm_gradients() * V);
  }

  // Steps [begin, end): their slots hold gradients now.
  void chunk(std::int64_t begin, std::int64_t end) {
    const Range all{p_.schedule->first[begin], p_.schedule->first[end]};
    const std::int64_t count = all.end - all.begin, products = gradient_products(count);
    for (std::int64_t i = 0; i < products; ++i) {
      const Range part = share(count, static_cast<int>(i), static_cast<int>(products));
      const Range rows{all.begin + part.begin, all.begin + part.end};
      worker_.own->wait();  // the rows are complete
      if (g_.of_weights()) weights(rows, begin);
      if (g_.dx == nullptr || p_.observer != nullptr) continue;  // or it is there, part by part
      if (p_.transposed.in_turns()) {  // no thread needs the states' weights since that wait
        p_.transposed.fill_input(w_, worker_.member, worker_.members);
        worker_.own->wait();
      }
      input_gradient(p_, g_.dx, g_.dx_add, rows, worker_.member, worker_.members);
    }
  }

  // Adds the sums to the gradients in PyTorch's layout.
  void finish() {
    worker_.own->wait();
    if (!g_.of_weights()) return;
    const auto& to = g_.parameters;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      const std::int64_t n = w_.H - u * V;
      if (p_.index != nullptr)
        rows_of(to.w_ih, cell_.x_gate, w_.I)
            .add(cell_.x_count, u, g_.sums + at_.w_ih + u * at_.k_ih * w_.x_width(), {0, w_.I});
      if (cell_.normalised())
        add_norms(u, n);
      else if (to.b_ih != nullptr)
        add_biases(u, n);
      for (int g = 0; g < cell_.unit_count; ++g)
        add_to(to.unit + g * w_.H + u * V, g_.sums + at_.unit + (u * cell_.unit_count + g) * V, n);
    }
  }

 private:
  // The worker's share.
  void set_to_zero(Scalar* numbers, std::int64_t count) const {
    const Range part = share(count, worker_.member, worker_.members);
    if (part.begin < part.end)  // there may be none at all, and no memory for them
      std::memset(numbers + part.begin, 0,
                  static_cast<std::size_t>(part.end - part.begin) * sizeof(Scalar));
  }

  static RNNFAST_INLINE void add_to(Scalar* to, const Vec<Scalar>& value) {
    store(to, add(load(static_cast<const Scalar*>(to)), value));
  }
  static void add_to(Scalar* to, const Scalar* from, std::int64_t count) {
    store_first(to, add(load_first(static_cast<const Scalar*>(to), count), load(from)), count);
  }

  void add_biases(std::int64_t u, std::int64_t n) {
    const Scalar* from = g_.sums + at_.bias + u * cell_.slots * V;
    for (int s = 0; s < cell_.x_count; ++s)
      if (cell_.x_gate[s] < cell_.bias_count)
        add_to(g_.parameters.b_ih + cell_.x_gate[s] * w_.H + u * V, from + s * V, n);
    for (int s = 0; s < cell_.h_count; ++s)
      add_to(g_.parameters.b_hh + cell_.h_gate[s] * w_.H + u * V, from + (cell_.h_first + s) * V,
             n);
    if (cell_.second_product())
      add_to(g_.parameters.b_hh + cell_.second_gate * w_.H + u * V, from, n);
  }

  // Of gains and biases, sequence after sequence.
  void add_norms(std::int64_t u, std::int64_t n) {
    const int count = cell_.norm_gradients();
    const auto put = [&](Scalar* to, int gate, int from) {
      if (to == nullptr) return;
      Vec<Scalar> sum = zeros<Scalar>();
      for (std::int64_t b = 0; b < p_.schedule->B; ++b)
        sum = add(sum, load(static_cast<const Scalar*>(
                           g_.d_norm + ((u * p_.schedule->B + b) * count + from) * V)));
      to += gate * w_.H + u * V;
      store_first(to, add(load_first(static_cast<const Scalar*>(to), n), sum), n);
    };
    const auto& to = g_.parameters;
    for (int i = 0; i < cell_.x_count; ++i) {
      put(to.gain_ih, cell_.x_gate[i], i);
      put(to.b_ih, cell_.x_gate[i], cell_.slots + i);
    }
    for (int i = 0; i < cell_.h_count; ++i) {
      put(to.gain_hh, cell_.h_gate[i], cell_.h_first + i);
      put(to.b_hh, cell_.h_gate[i], cell_.slots + cell_.sum_first + i);
    }
    if (cell_.memory_slot < 0) return;
    put(to.gain_c, 0, cell_.memory_slot);
    put(to.bias_c, 0, cell_.slots + cell_.sums());
  }

  void weights(Range rows, std::int64_t first_step) {
    const auto& to = g_.parameters;
    if (p_.index != nullptr)
      scatter(rows);
    else
      add_product(cell_.x_count, w_.I, at_.k_ih, slots_operand(0), w_.units,
                  rows_of(to.w_ih, cell_.x_gate, w_.I), rows,
                  [this](std::int64_t row) { return p_.x[row]; });
    if (cell_.recurrent_product())
      add_product(cell_.h_count, w_.P, at_.k_hh, slots_operand(cell_.h_first), w_.units,
                  rows_of(to.w_hh, cell_.h_gate, w_.P), rows,
                  [this](std::int64_t row) { return p_.h_prev[row]; });
    const auto inner = [this](std::int64_t row) { return p_.inner + row * p_.inner_stride; };
    if (cell_.second_product())
      add_product(1, w_.H, at_.k_inner, slots_operand(0), w_.units,
                  rows_of(to.w_hh, &cell_.second_gate, w_.P), rows, inner);
    constexpr int only = 0;
    if (w_.projection)
      add_product(1, w_.H, at_.k_inner, RowsOfBlocks<Scalar>{g_.d_output, p_.schedule->rows * V, V},
                  w_.outputs, {to.w_hr, &only, w_.P, w_.H}, rows, inner);
    if (!cell_.normalised()) biases(rows);
    if (cell_.unit_count > 0) unit_weights(rows, first_step);
  }

  // Adds a product with K numbers of each row.
  template <class Row>
  void add_product(int count, std::int64_t K, std::int64_t padded_K,
                   const RowsOfBlocks<Scalar>& right, std::int64_t blocks,
                   const SummedRows<Scalar>& to, Range rows, const Row& row_at) {
    interleave_rows(count, g_.left, K, rows, worker_, row_at);
    worker_.own->wait();
    row_product(count, g_.left, padded_K, right, blocks, rows,
                g_.panels + worker_.member * at_.panels, to, worker_);
    worker_.own->wait();  // before another's left operand comes
  }

  RowsOfBlocks<Scalar> slots_operand(int slot) const {
    return {p_.workspace + slot * V, p_.workspace_rows * cell_.slots * V, cell_.slots * V};
  }
  SummedRows<Scalar> rows_of(Scalar* to, const int* gate, std::int64_t columns) const {
    return {to, gate, w_.H, columns};
  }

  // Index inputs: a row's gradient goes to its index's panel row.
  void scatter(Range rows) {
    const int G = cell_.x_count;
    for (std::int64_t u = units_.begin; u < units_.end; ++u)
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        const Scalar* from = p_.workspace_at(u, row);
        Scalar* to = g_.sums + at_.w_ih + (u * at_.k_ih + p_.index[row]) * G * V;
        for (int g = 0; g < G; ++g) add_to(to + g * V, load(from + g * V));
      }
  }

  // Sums of sums of few rows: a long sum of numbers of one sign would round away what it adds.
  void biases(Range rows) {
    constexpr std::int64_t kRun = 16;
    with_count<4>(cell_.slots, [&](auto n) {
      constexpr int slots = decltype(n)::value;
      for (std::int64_t u = units_.begin; u < units_.end; ++u) {
        Vec<Scalar> total[slots];
        for (int s = 0; s < slots; ++s) total[s] = zeros<Scalar>();
        for (std::int64_t begin = rows.begin; begin < rows.end; begin += kRun) {
          const Scalar* from = p_.workspace_at(u, begin);
          Vec<Scalar> sum[slots];
          for (int s = 0; s < slots; ++s) sum[s] = load(from + s * V);
          for (std::int64_t row = begin + 1; row < std::min(begin + kRun, rows.end); ++row) {
            from = p_.workspace_at(u, row);
            for (int s = 0; s < slots; ++s) sum[s] = add(sum[s], load(from + s * V));
          }
          for (int s = 0; s < slots; ++s) total[s] = add(total[s], sum[s]);
        }
        Scalar* to = g_.sums + at_.bias + u * slots * V;
        for (int s = 0; s < slots; ++s) add_to(to + s * V, total[s]);
      }
    });
  }

  // += d(a slot's pre-activation) times the carry that it saw.
  void unit_weights(Range rows, std::int64_t first_step) {
    const Schedule& schedule = *p_.schedule;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      Scalar* to = g_.sums + at_.unit + u * cell_.unit_count * V;
      Vec<Scalar> sum[CellDescriptor::kMost];
      for (auto& one : sum) one = zeros<Scalar>();
      std::int64_t s = first_step;
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        while (row >= schedule.first[s + 1]) ++s;
        const std::int64_t b = row - schedule.first[s];
        const bool is_reset = p_.reset_mask != nullptr && p_.reset_mask[row] != 0;
        const auto at = [&](std::int64_t step) {
          return load(static_cast<const Scalar*>(p_.carry_at(u, p_.carry_row(step, b))));
        };
        const Vec<Scalar> previous = is_reset ? zeros<Scalar>() : at(s - 1);
        const Scalar* slots = p_.workspace_at(u, row);
        for (int g = 0; g < cell_.unit_count; ++g)
          sum[g] = madd(load(slots + cell_.unit_slot[g] * V),
                        cell_.unit_after[g] ? at(s) : previous, sum[g]);
      }
      for (int g = 0; g < cell_.unit_count; ++g) add_to(to + g * V, sum[g]);
    }
  }

  const LayerPass<Scalar>& p_;
  const LayerGradients<Scalar>& g_;
  const PackedLayer<Scalar>& w_;
  const Worker& worker_;
  const GradientLayout<Scalar> at_;
  const CellDescriptor& cell_;
  const Range units_;
};

}  // namespace

template <class Scalar>
GradientSizes gradient_sizes(const PackedLayer<Scalar>& weights, const Schedule& schedule,
                             bool indexed) {
  const GradientLayout<Scalar> layout(weights, indexed, most_gradient_rows(schedule.rows));
  return {layout.total, layout.left, layout.panels};
}
template <class Scalar>
void begin_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                     const Worker& worker) {
  GradientProducts<Scalar>(pass, gradients, worker).begin();
}
template <class Scalar>
void add_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                   const Worker& worker, std::int64_t begin, std::int64_t end) {
  GradientProducts<Scalar>(pass, gradients, worker).chunk(begin, end);
}
template <class Scalar>
void finish_gradients(const LayerPass<Scalar>& pass, const LayerGradients<Scalar>& gradients,
                      const Worker& worker) {
  GradientProducts<Scalar>(pass, gradients, worker).finish();
}

#define RNNFAST_INSTANTIATE(Scalar)                                                               \
  template GradientSizes gradient_sizes<Scalar>(const PackedLayer<Scalar>&, const Schedule&,      \
                                                bool);                                            \
  template void begin_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&,  \
                                        const Worker&);                                           \
  template void add_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&,    \
                                      const Worker&, std::int64_t, std::int64_t);                 \
  template void finish_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&, \
                                         const Worker&);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
