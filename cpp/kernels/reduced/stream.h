// A stack in smaller numbers, run step by step: nothing is allocated per step.
#pragma once

#include <chrono>

#include "kernels/reduced/pass.h"

namespace rnnfast::reduced {

// The opaque Stream of the table: one direction, B sequences.
template <class N>
class StackStream {
 public:
  static StackStream* create(const Stack<N>& stack, std::int64_t B) {
    std::unique_ptr<StackStream> stream(new (std::nothrow) StackStream);
    if (!stream || !stream->reserve(stack, B)) return nullptr;
    stream->set(nullptr, nullptr);
    return stream.release();
  }

  // x (B, I) or indices (B); y (B, P), all contiguous.
  void step(const Stack<N>& stack, const float* x, const std::int64_t* indices, float* y,
            int threads) {
    SequenceInput<float> in = {};
    in.T = 1;
    in.B = schedule_.B;
    in.x = x;
    in.indices = indices;
    in.x_batch = indices != nullptr ? 1 : stack.shape.I;
    in.h0 = h_[now_].data();
    in.c0 = c_[now_].data();
    const SequenceOutput<float> out = {y, 0, stack.shape.P, h_[1 - now_].data(),
                                       c_[1 - now_].data()};
    const bool alone = threads == 1 || stack.bytes() < kSharedBytes || after_pause();
    run_team(alone ? TeamPlan{} : plan_of(stack, schedule_, std::min(threads, kThreads)),
             [&](Worker worker) {
               if (worker.split_rows) worker.rows = schedule_.deal(worker.member, worker.members);
               pass_.run(stack, schedule_, in, out, worker, now_ != 0);
             });
    now_ = 1 - now_;
    last_ = Clock::now();
  }

  void get(float* h, float* c) const {
    std::copy_n(h_[now_].data(), h_size_, h);
    std::copy_n(c_[now_].data(), c_size_, c);
  }
  void set(const float* h, const float* c) {
    const auto put = [](Buffer<float>& to, const float* from, std::int64_t size) {
      if (from != nullptr)
        std::copy_n(from, size, to.data());
      else
        std::fill_n(to.data(), size, 0.0f);
    };
    put(h_[now_], h, h_size_);
    put(c_[now_], c, c_size_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  // Less is read sooner than threads meet, and those that have slept wake later than that.
  static constexpr std::int64_t kSharedBytes = 600 << 10;
  static constexpr std::chrono::milliseconds kPause{10};
  static constexpr int kThreads = 4;

  bool after_pause() const { return Clock::now() - last_ > kPause; }

  bool reserve(const Stack<N>& stack, std::int64_t B) {
    const StackShape& shape = stack.shape;
    h_size_ = product_of(shape.L, B, shape.P);
    c_size_ = shape.cell->has_memory() ? product_of(shape.L, B, shape.H) : 0;
    if (!schedule_.build(1, B, nullptr)) return false;
    for (int half = 0; half < 2; ++half)
      if (!h_[half].reserve(h_size_) || !c_[half].reserve(c_size_)) return false;
    return pass_.reserve(stack, schedule_, kThreads);
  }

  Schedule schedule_;
  Pass<N> pass_;
  Buffer<float> h_[2], c_[2];  // before and after the step
  std::int64_t h_size_ = 0, c_size_ = 0;
  int now_ = 0;
  Clock::time_point last_ = Clock::now();
};

}  // namespace rnnfast::reduced
