#include "kernels/rnn/gradients.h"

#include "kernels/gemm/row_products.h"
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
        at_(w_),
        cell_(w_.cell),
        units_(share(w_.units, worker.member, worker.members)),
        outputs_(share(w_.outputs, worker.member, worker.members)) {}

  // Zeros what sums are added to. The first rows' products of matrices are written.
  void begin() {
    if (!g_.of_weights()) return;
    set_to_zero(p_.schedule->rows == 0 ? 0 : at_.bias, at_.total);
    if (p_.index != nullptr) set_to_zero(at_.w_ih, at_.w_hh);
    if (cell_.normalised())
      set_to_zero(g_.d_norm, w_.units * p_.schedule->B * cell_.norm_gradients() * V);
  }

  // Steps [begin, end): their slots hold gradients now.
  void chunk(std::int64_t begin, std::int64_t end) {
    const Range all{p_.schedule->first[begin], p_.schedule->first[end]};
    for (std::int64_t row = all.begin; row < all.end; row += kGradientRows) {
      const Range rows{row, std::min(row + kGradientRows, all.end)};
      worker_.own->wait();  // the rows are complete, the last use of `left` is over
      if (g_.of_weights()) {
        interleave(rows);
        worker_.own->wait();
        weights(rows, begin, end == p_.schedule->steps && row == all.begin);
      }
      if (g_.dx != nullptr && p_.observer == nullptr)  // else it is there, part by part
        input_gradient(p_, g_.dx, g_.dx_add, rows, worker_.member, worker_.members);
    }
  }

  // Adds the panels to the gradients in PyTorch's layout.
  void finish() {
    worker_.own->wait();
    if (!g_.of_weights()) return;
    const auto& to = g_.parameters;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      const std::int64_t n = w_.H - u * V;
      for (int s = 0; s < cell_.x_count; ++s)
        unpack_lanes_add(g_.products + at_.w_ih + u * at_.k_ih * w_.x_width() + s * V, w_.x_width(),
                         n, w_.I, to.w_ih + (cell_.x_gate[s] * w_.H + u * V) * w_.I, w_.I);
      for (int s = 0; s < cell_.h_count; ++s)
        unpack_lanes_add(g_.products + at_.w_hh + u * at_.k_hh * w_.h_width() + s * V, w_.h_width(),
                         n, w_.P, to.w_hh + (cell_.h_gate[s] * w_.H + u * V) * w_.P, w_.P);
      if (cell_.second_product())
        unpack_lanes_add(g_.products + at_.w_second + u * at_.k_inner * V, V, n, w_.P,
                         to.w_hh + (cell_.second_gate * w_.H + u * V) * w_.P, w_.P);
      if (cell_.normalised())
        add_norms(u, n);
      else if (to.b_ih != nullptr)
        add_biases(u, n);
      for (int g = 0; g < cell_.unit_count; ++g)
        add_to(to.unit + g * w_.H + u * V, g_.products + at_.unit + (u * cell_.unit_count + g) * V,
               n);
    }
    if (w_.projection)
      for (std::int64_t o = outputs_.begin; o < outputs_.end; ++o)
        unpack_lanes_add(g_.products + at_.w_hr + o * at_.k_inner * V, V, w_.P - o * V, w_.H,
                         to.w_hr + o * V * w_.H, w_.H);
  }

 private:
  // The worker's share of the products [begin, end).
  void set_to_zero(std::int64_t begin, std::int64_t end) const {
    set_to_zero(g_.products + begin, end - begin);
  }
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
    const Scalar* from = g_.products + at_.bias + u * cell_.slots * V;
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

  // This worker's share of the left operands: [panel of k][row][k within the panel].
  void interleave(Range rows) {
    if (p_.index == nullptr)
      interleave_rows(cell_.x_count, g_.left + at_.left_x, w_.I, rows, worker_,
                      [this](std::int64_t row) { return p_.x[row]; });
    if (cell_.recurrent_product())
      interleave_rows(cell_.h_count, g_.left + at_.left_h, w_.P, rows, worker_,
                      [this](std::int64_t row) { return p_.h_prev[row]; });
    if (cell_.second_product() || w_.projection)
      interleave_rows(1, g_.left + at_.left_inner, w_.H, rows, worker_,
                      [this](std::int64_t row) { return p_.inner + row * p_.inner_stride; });
  }

  void weights(Range rows, std::int64_t first_step, bool fresh) {
    if (p_.index != nullptr)
      scatter(rows);
    else
      row_product(cell_.x_count, g_.left + at_.left_x, at_.k_ih, slots_operand(0), w_.units,
                  g_.products + at_.w_ih, rows, fresh, worker_);
    if (cell_.recurrent_product())
      row_product(cell_.h_count, g_.left + at_.left_h, at_.k_hh, slots_operand(cell_.h_first),
                  w_.units, g_.products + at_.w_hh, rows, fresh, worker_);
    if (cell_.second_product())
      row_product(1, g_.left + at_.left_inner, at_.k_inner, slots_operand(0), w_.units,
                  g_.products + at_.w_second, rows, fresh, worker_);
    if (w_.projection)
      row_product(1, g_.left + at_.left_inner, at_.k_inner,
                  RowsOfBlocks<Scalar>{g_.d_output, p_.schedule->rows * V, V}, w_.outputs,
                  g_.products + at_.w_hr, rows, fresh, worker_);
    if (!cell_.normalised()) biases(rows);
    if (cell_.unit_count > 0) unit_weights(rows, first_step);
  }

  RowsOfBlocks<Scalar> slots_operand(int slot) const {
    return {p_.workspace + slot * V, p_.workspace_rows * cell_.slots * V, cell_.slots * V};
  }

  // Index inputs: a row's gradient goes to its index's panel row.
  void scatter(Range rows) {
    const int G = cell_.x_count;
    for (std::int64_t u = units_.begin; u < units_.end; ++u)
      for (std::int64_t row = rows.begin; row < rows.end; ++row) {
        const Scalar* from = p_.workspace_at(u, row);
        Scalar* to = g_.products + at_.w_ih + (u * at_.k_ih + p_.index[row]) * G * V;
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
        Scalar* to = g_.products + at_.bias + u * slots * V;
        for (int s = 0; s < slots; ++s) add_to(to + s * V, total[s]);
      }
    });
  }

  // += d(a slot's pre-activation) times the carry that it saw.
  void unit_weights(Range rows, std::int64_t first_step) {
    const Schedule& schedule = *p_.schedule;
    for (std::int64_t u = units_.begin; u < units_.end; ++u) {
      Scalar* to = g_.products + at_.unit + u * cell_.unit_count * V;
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
  const Range units_, outputs_;
};

}  // namespace

template <class Scalar>
GradientSizes gradient_sizes(const PackedLayer<Scalar>& weights) {
  const GradientLayout<Scalar> layout(weights);
  return {layout.total, layout.left_total};
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
  template GradientSizes gradient_sizes<Scalar>(const PackedLayer<Scalar>&);                      \
  template void begin_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&,  \
                                        const Worker&);                                           \
  template void add_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&,    \
                                      const Worker&, std::int64_t, std::int64_t);                 \
  template void finish_gradients<Scalar>(const LayerPass<Scalar>&, const LayerGradients<Scalar>&, \
                                         const Worker&);
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
