// Layers whose products see a step and those before it side by side, x<t>, x<t-1>, ...: a masked
// convolution over time. In the reverse direction the steps before are the later ones.
#pragma once

#include "kernels/rnn/stack.h"

namespace rnnfast {

// One layer's direction. A position is a step as the direction takes them: 0 is the first, and
// those below it are what the state brought.
template <class Scalar>
class LayerWindow {
 public:
  LayerWindow(const StackCache<Scalar>& cache, int l, int d)
      : c_(cache),
        l_(l),
        d_(d),
        k_(cache.shape.window),
        F_(cache.shape.features_of(l)),
        W_(cache.shape.window_width) {}

  // The rows (k F) that the product reads at these steps.
  void fill(Scalar* rows, Range steps) const {
    for (std::int64_t s = steps.begin; s < steps.end; ++s)
      for (std::int64_t b = 0; b < c_.schedule.active[s]; ++b)
        write(rows + (c_.schedule.first[s] + b) * k_ * F_, s, b, k_, F_);
  }

  // What the step behind each sequence's last one is to see, of c_n.
  void fill_state(Range sequences) const {
    for (std::int64_t b = sequences.begin; b < sequences.end; ++b) {
      Scalar* to = c_.output.c_n + state_place(b);
      begin_state(to, b, c_.input.c0);
      if (c_.schedule.length[b] == 0) continue;
      write(to, c_.schedule.length[b] - 1, b, k_ - 1, W_);
    }
  }

  // to (F) += the gradients of position p in all that saw it: the rows (k F), and dc_n or null.
  void add_gradient(std::int64_t p, std::int64_t b, const Scalar* d_rows, const Scalar* dc_n,
                    Scalar* to) const {
    const std::int64_t end = c_.schedule.length[b];
    for (std::int64_t s = std::max<std::int64_t>(p, 0); s <= std::min(p + k_ - 1, end); ++s) {
      if (s > p && s < end && c_.is_reset(d_, s, b)) return;
      if (s == end && dc_n == nullptr) return;
      const Scalar* from = s < end ? d_rows + ((c_.schedule.first[s] + b) * k_ + s - p) * F_
                                   : dc_n + state_place(b) + (end - 1 - p) * W_;
      for (std::int64_t f = 0; f < F_; ++f) to[f] += from[f];
    }
  }

  // The gradient of what the state brought, of dc0.
  void state_gradient(Range sequences, const Scalar* d_rows, const Scalar* dc_n,
                      Scalar* dc0) const {
    for (std::int64_t b = sequences.begin; b < sequences.end; ++b) {
      Scalar* to = dc0 + state_place(b);
      begin_state(to, b, dc_n);
      if (c_.schedule.length[b] == 0) continue;
      for (std::int64_t i = 0; i + 1 < k_; ++i) add_gradient(-1 - i, b, d_rows, dc_n, to + i * W_);
    }
  }

 private:
  // Where a sequence's steps stand in c0 and its like.
  std::int64_t state_place(std::int64_t b) const {
    const StackShape& shape = c_.shape;
    const std::int64_t row = (l_ * shape.D + d_) * c_.schedule.B + c_.schedule.order[b];
    return row * shape.memory() + shape.H;
  }

  // Zeros, or of a sequence without steps what is given, which stays as it is.
  void begin_state(Scalar* to, std::int64_t b, const Scalar* given) const {
    if (c_.schedule.length[b] == 0 && given != nullptr)
      std::copy_n(given + state_place(b), (k_ - 1) * W_, to);
    else
      std::fill_n(to, (k_ - 1) * W_, Scalar(0));
  }

  // Positions p, p - 1, ..., so many, `apart` from each other; zeros before a document's first.
  void write(Scalar* to, std::int64_t p, std::int64_t b, std::int64_t count,
             std::int64_t apart) const {
    bool seen = true;
    for (std::int64_t j = 0; j < count; ++j, --p, to += apart) {
      if (seen)
        write_one(to, p, b);
      else
        std::fill_n(to, F_, Scalar(0));
      if (p >= 0 && c_.is_reset(d_, p, b)) seen = false;
    }
  }

  void write_one(Scalar* to, std::int64_t p, std::int64_t b) const {
    const SequenceInput<Scalar>& input = c_.input;
    const Scalar* from = nullptr;
    if (p < 0 && input.c0 != nullptr) from = input.c0 + state_place(b) + (-1 - p) * W_;
    const std::int64_t t = p < 0 ? 0 : c_.schedule.time(d_, p, b);
    if (p >= 0) from = c_.features(l_, t, b);
    if (from != nullptr) {
      std::copy_n(from, F_, to);
      return;
    }
    std::fill_n(to, F_, Scalar(0));
    if (p >= 0) to[input.indices[c_.schedule.place(t, b, input.x_time, input.x_batch)]] = 1;
  }

  const StackCache<Scalar>& c_;
  const int l_, d_;
  const std::int64_t k_, F_, W_;
};

}  // namespace rnnfast
