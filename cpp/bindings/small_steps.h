// The state of one sequence on a small layer, and the weights in the order in which the kernels'
// loop for such layers reads them.
#pragma once

#include <memory>
#include <vector>

#include "bindings/linear.h"
#include "bindings/recurrent.h"

namespace rnnfast {

// A layer's weights and those of a linear layer behind it, as they were at one version of both.
struct SmallCopy {
  const SmallTables* tables = nullptr;
  bool is_double = false;
  SmallNetwork* network = nullptr;
  std::int64_t version = -1, head_version = -1;  // -1: no head
  std::weak_ptr<Linear> head;

  SmallCopy() = default;
  SmallCopy(const SmallCopy&) = delete;
  SmallCopy& operator=(const SmallCopy&) = delete;
  ~SmallCopy();

  bool is_of(const Recurrent& layer, const Linear* behind) const {
    return version == layer.version() &&
           head_version == (behind == nullptr ? -1 : behind->parameters()->version());
  }
};

template <class Scalar>
class SmallSteps {
 public:
  // Whether a layer fits, with a linear one behind it or null.
  static bool fits(const Recurrent& layer, const Linear* head);
  explicit SmallSteps(const Recurrent& layer);  // all zero

  // The state, of H numbers and more.
  Scalar* h() { return state_.h[state_.now]; }
  Scalar* c() { return state_.c; }
  const Scalar* h() const { return state_.h[state_.now]; }
  const Scalar* c() const { return state_.c; }
  void set(const Scalar* h, const Scalar* c) { state_.set(H_, h, c); }  // null: zeros

  bool is_current(const Recurrent& layer, const Linear* head) const {
    return copy_ != nullptr && copy_->is_of(layer, head);
  }
  // Takes the weights as they are now; streams of one layer share them. Needs the GIL.
  void refresh(Recurrent& layer, const std::shared_ptr<Linear>& head);

  // y (T, O) of x (T, I) or of one index. Without Python.
  void run(std::int64_t T, const Scalar* x, Scalar* y) {
    table_->run(copy_->network, T, x, &state_, y);
  }
  void step(std::int64_t index, Scalar* y) {
    one_hot_[index] = 1;
    run(1, one_hot_.data(), y);
    one_hot_[index] = 0;
  }

 private:
  const SmallTable<Scalar>* table_;
  std::int64_t H_;
  std::unique_ptr<Scalar[], FreeAligned> memory_;
  SmallState<Scalar> state_ = {};
  std::vector<Scalar> one_hot_;
  std::shared_ptr<const SmallCopy> copy_;
};

}  // namespace rnnfast
