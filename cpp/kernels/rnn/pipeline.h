// Layers side by side: each on a thread of its own, a part of its steps behind the layer before.
#pragma once

#include "kernels/rnn/plan.h"
#include "kernels/rnn/stack.h"

namespace rnnfast {

// Steps that a layer has behind it.
class Progress {
 public:
  void set(std::int64_t steps) { steps_.store(steps, std::memory_order_release); }
  void wait(std::int64_t steps) const {
    wait_until([&] { return steps_.load(std::memory_order_acquire) >= steps; });
  }

 private:
  alignas(128) std::atomic<std::int64_t> steps_{0};
};

// The layers of a stack and how far each has come.
class Pipeline {
 public:
  bool create(int layers) {
    progress_.reset(new (std::nothrow) Progress[static_cast<std::size_t>(layers)]);
    return progress_ != nullptr;
  }
  Progress& operator[](int layer) { return progress_[layer]; }

  // Calls f(layer, a team of one) for this worker's layers, upwards or downwards: the order in
  // which layers wait for each other.
  template <class F>
  void for_layers(const Worker& worker, int layers, bool down, const F& f) const {
    Barrier none;
    Worker alone;
    alone.all = alone.own = &none;
    for (int i = worker.rank; i < layers; i += worker.size) f(down ? layers - 1 - i : i, alone);
  }

 private:
  std::unique_ptr<Progress[]> progress_;
};

// A layer's forward pass follows the layer below.
template <class Scalar>
class ForwardFollower final : public PartObserver {
 public:
  ForwardFollower(StackCache<Scalar>& cache, int layer, Pipeline& pipeline)
      : PartObserver(pipeline_rows(cache.schedule)), c_(cache), l_(layer), pipeline_(pipeline) {}

  void before(Range steps) override {
    if (l_ > 0) pipeline_[l_ - 1].wait(steps.end);
  }
  void after(Range steps) override {
    if (c_.drops() && l_ + 1 < c_.shape.L)
      c_.apply_dropout(l_, c_.y[l_].data(), c_.dropped[l_].data(), steps);
    pipeline_[l_].set(steps.end);
  }

 private:
  StackCache<Scalar>& c_;
  int l_;
  Pipeline& pipeline_;
};

// Backpropagation, from the last step to the first, follows the layer above.
template <class Scalar>
class BackwardFollower final : public PartObserver {
 public:
  // dx: where the layer writes the gradient of the output of the layer below, or null.
  BackwardFollower(StackCache<Scalar>& cache, int layer, Scalar* dx, Pipeline& pipeline)
      : PartObserver(pipeline_rows(cache.schedule)),
        c_(cache),
        l_(layer),
        dx_(dx),
        pipeline_(pipeline) {}

  void before(Range steps) override {
    if (l_ + 1 < c_.shape.L) pipeline_[l_ + 1].wait(c_.schedule.steps - steps.begin);
  }
  void after(Range steps) override {
    if (c_.drops() && l_ > 0) c_.apply_dropout(l_ - 1, dx_, dx_, steps);
    pipeline_[l_].set(c_.schedule.steps - steps.begin);
  }

 private:
  StackCache<Scalar>& c_;
  int l_;
  Scalar* dx_;
  Pipeline& pipeline_;
};

}  // namespace rnnfast
