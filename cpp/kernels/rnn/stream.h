// A stack run step by step: the state lives inside, nothing is allocated per step.
#pragma once

#include <chrono>

#include "kernels/rnn/stack.h"

namespace rnnfast {

// The opaque Stream of the table: one direction, B sequences.
template <class Scalar>
class StackStream {
  static constexpr int V = lanes<Scalar>;

 public:
  static StackStream* create(const PackedStack<Scalar>& packed, std::int64_t B) {
    std::unique_ptr<StackStream> stream(new (std::nothrow) StackStream);
    if (!stream || !stream->allocate(packed, B)) return nullptr;
    stream->set(nullptr, nullptr);
    return stream.release();
  }

  // x (B, I) or indices (B); y (B, P), all contiguous.
  void step(const PackedStack<Scalar>& packed, const Scalar* x, const std::int64_t* indices,
            Scalar* y, int threads) {
    const StackShape& shape = packed.shape;
    const std::int64_t B = schedule_.B;
    for (std::int64_t b = 0; b < B; ++b) x_rows_[b] = x + b * shape.I;
    const auto& kernel = layer_kernel<Scalar>(*shape.cell);
    TeamPlan plan;
    const bool large = threads > 1 && weight_bytes_ > kSharedBytes;
    if (large && !after_pause())
      plan.threads = static_cast<int>(std::min<std::int64_t>(threads, packed.layers[0].units));
    run_team(plan, [&](const Worker& worker) {
      for (int l = 0; l < shape.L; ++l) {
        LayerPass<Scalar> pass = passes_[l];
        pass.weights = &packed.layers[l];
        pass.down = now_ != 0;
        if (l == 0) {
          pass.x = indices != nullptr ? nullptr : x_rows_.data();
          pass.index = indices;
        } else {
          pass.x = h_rows_.data() + ((l - 1) * 2 + !now_) * B;
        }
        if (shape.window > 1) {
          if (worker.rank == 0) see(shape, l, pass.x, indices);
          worker.all->wait();
          pass.x = wide_rows_.data() + l * B;
          pass.index = nullptr;
        }
        pass.h_prev = h_rows_.data() + (l * 2 + now_) * B;
        pass.y = y_rows_.data() + (l * 2 + !now_) * B;
        kernel.forward(pass, worker);
      }
    });
    now_ = !now_;
    if (large) last_ = Clock::now();
    std::memcpy(y, h_at(shape.L - 1, now_), static_cast<std::size_t>(B * P_) * sizeof(Scalar));
  }

  void get(Scalar* h, Scalar* c) const {
    const std::int64_t B = schedule_.B;
    for (int l = 0; l < L_; ++l) {
      std::memcpy(h + l * B * P_, h_at(l, now_), static_cast<std::size_t>(B * P_) * sizeof(Scalar));
      if (!memory_) continue;
      for (std::int64_t block = 0; block < units_; ++block)
        for (std::int64_t b = 0; b < B; ++b)
          store_first(c + (l * B + b) * memory_size_ + block * V, load(carry_at(l, block, b)),
                      H_ - block * V);
      for (std::int64_t b = 0; b < B && window_ > 1; ++b) {
        Scalar* const to = c + (l * B + b) * memory_size_ + H_;
        std::fill_n(to, memory_size_ - H_, Scalar(0));
        for (int i = 0; i + 1 < window_; ++i)
          std::copy_n(wide(l, b) + i * features_[l], features_[l], to + i * window_width_);
      }
    }
  }

  void set(const Scalar* h, const Scalar* c) {
    const std::int64_t B = schedule_.B;
    const Scalar* carried = memory_ ? c : h;
    const std::int64_t stride = memory_ ? memory_size_ : H_;
    for (int l = 0; l < L_; ++l) {
      Scalar* to = states_.data() + (l * 2 + now_) * B * P_;
      const auto bytes = static_cast<std::size_t>(B * P_) * sizeof(Scalar);
      if (h != nullptr)
        std::memcpy(to, h + l * B * P_, bytes);
      else
        std::memset(to, 0, bytes);
      if (!carries_) continue;
      for (std::int64_t block = 0; block < units_; ++block)
        for (std::int64_t b = 0; b < B; ++b)
          store(passes_[l].carry_at(block, b),
                carried != nullptr
                    ? load_first(carried + (l * B + b) * stride + block * V, H_ - block * V)
                    : zeros<Scalar>());
      for (std::int64_t b = 0; b < B && window_ > 1; ++b)
        for (int i = 0; i + 1 < window_; ++i) {
          Scalar* const at = wide(l, b) + i * features_[l];
          if (c != nullptr)
            std::copy_n(c + (l * B + b) * memory_size_ + H_ + i * window_width_, features_[l], at);
          else
            std::fill_n(at, features_[l], Scalar(0));
        }
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  // More weights than this take a core longer to read than two of them need to meet.
  static constexpr std::int64_t kSharedBytes = 600 << 10;
  // Threads that have not been called for so long sleep. Waking them takes longer than a step.
  static constexpr std::chrono::milliseconds kPause{10};

  // A layer's row (window F) of a sequence: what its product saw last, the newest step first.
  Scalar* wide(int l, std::int64_t b) const { return wide_row_[l * schedule_.B + b]; }

  // Puts this step's input, rows or indices, before those that a layer saw.
  void see(const StackShape& shape, int l, const Scalar* const* x, const std::int64_t* indices) {
    const std::int64_t F = features_[l];
    for (std::int64_t b = 0; b < schedule_.B; ++b) {
      Scalar* const to = wide(l, b);
      std::memmove(to + F, to, static_cast<std::size_t>((shape.window - 1) * F) * sizeof(Scalar));
      if (x != nullptr) {
        std::copy_n(x[b], F, to);
      } else {
        std::fill_n(to, F, Scalar(0));
        to[indices[b]] = 1;
      }
    }
  }

  bool allocate_wide(const StackShape& shape) {
    window_ = shape.window;
    window_width_ = shape.window_width;
    memory_size_ = shape.memory();
    if (window_ == 1) return true;
    const std::int64_t B = schedule_.B;
    std::int64_t size = 0;
    if (!features_.reserve(L_) || !wide_rows_.reserve(product_of(L_, B)) ||
        !wide_row_.reserve(product_of(L_, B)))
      return false;
    for (int l = 0; l < L_; ++l) {
      features_[l] = shape.features_of(l);
      size += shape.input_of(l);
    }
    if (!wide_.reserve_zeroed(product_of(B, size))) return false;
    Scalar* at = wide_.data();
    for (int l = 0; l < L_; ++l)
      for (std::int64_t b = 0; b < B; ++b, at += shape.input_of(l))
        wide_rows_[l * B + b] = wide_row_[l * B + b] = at;
    return true;
  }

  bool after_pause() const { return Clock::now() - last_ > kPause; }

  bool allocate(const PackedStack<Scalar>& packed, std::int64_t B) {
    const StackShape& shape = packed.shape;
    const CellDescriptor& cell = *shape.cell;
    L_ = shape.L;
    P_ = shape.P;
    H_ = shape.H;
    units_ = packed.layers[0].units;
    memory_ = cell.has_memory();
    carries_ = cell.carries();
    const bool inner = cell.second_product() || shape.projection;
    const std::int64_t carry = cell.carries() ? product_of(units_, B, V) : 0;
    passes_.reset(new (std::nothrow) LayerPass<Scalar>[static_cast<std::size_t>(L_)]);
    if (!passes_ || !schedule_.build(1, B, nullptr) || !states_.reserve(product_of(L_, 2, B, P_)) ||
        !carry_.reserve(product_of(L_, carry)) ||
        !workspace_.reserve(product_of(units_, B, cell.slots, V)) ||
        !inner_.reserve(inner ? product_of(B, H_) : 0) || !x_rows_.reserve(B) ||
        !h_rows_.reserve(product_of(L_, 2, B)) || !y_rows_.reserve(product_of(L_, 2, B)) ||
        !allocate_wide(shape))
      return false;
    for (int l = 0; l < L_; ++l) {
      weight_bytes_ += packed.layers[l].memory.bytes();
      LayerPass<Scalar>& p = passes_[l];
      p = {};
      p.schedule = &schedule_;
      p.workspace = workspace_.data();
      p.workspace_rows = B;
      p.carry = carry_.data() + l * carry;
      p.carry_rows = B;
      p.inner = inner_.data();
      p.inner_stride = H_;
      p.rate_h = static_cast<Scalar>(shape.zoneout_h);
      p.rate_c = static_cast<Scalar>(shape.zoneout_c);
      for (int half = 0; half < 2; ++half)
        for (std::int64_t b = 0; b < B; ++b) {
          Scalar* row = states_.data() + ((l * 2 + half) * B + b) * P_;
          h_rows_[(l * 2 + half) * B + b] = row;
          y_rows_[(l * 2 + half) * B + b] = row;
        }
    }
    return true;
  }

  const Scalar* h_at(int l, int half) const {
    return states_.data() + (l * 2 + half) * schedule_.B * P_;
  }
  const Scalar* carry_at(int l, std::int64_t block, std::int64_t b) const {
    return passes_[l].carry_at(block, b);
  }

  Schedule schedule_;
  std::unique_ptr<LayerPass<Scalar>[]> passes_;
  Buffer<Scalar> states_;  // [layer][2][B][P]: the last step's output and the next one's
  Buffer<Scalar> carry_, workspace_, inner_;
  Buffer<Scalar> wide_;  // [layer][B][window F] where products see several steps
  Buffer<const Scalar*> x_rows_, h_rows_, wide_rows_;
  Buffer<Scalar*> y_rows_, wide_row_;
  Buffer<std::int64_t> features_;  // of each layer
  std::int64_t window_ = 1, window_width_ = 0, memory_size_ = 0;
  std::int64_t P_ = 0, H_ = 0, units_ = 0, weight_bytes_ = 0;
  int L_ = 0, now_ = 0;
  Clock::time_point last_ = Clock::now();  // the end of the last step
  bool memory_ = false, carries_ = false;
};

}  // namespace rnnfast
