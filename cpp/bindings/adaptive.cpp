#include <pybind11/stl.h>

#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "bindings/linear.h"
#include "bindings/losses.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

using LinearPointer = std::shared_ptr<Linear>;
// From features to fewer, and from those to the scores of a cluster's classes.
using LinearPair = std::pair<LinearPointer, LinearPointer>;

// A head and clusters whose parameters stand in one buffer.
class AdaptiveSoftmax {
 public:
  AdaptiveSoftmax(LinearPointer head, std::vector<LinearPair> tail)
      : head_(std::move(head)), tail_(std::move(tail)) {
    if (!head_) throw py::type_error("head: expected a Linear, got None");
    S_ = head_->out_features() - static_cast<std::int64_t>(tail_.size());
    V_ = S_;
    if (S_ < 1) throw py::value_error("head: expected an output for each cluster and more");
    for (const auto& [down, up] : tail_) {
      if (!down || !up) throw py::type_error("tail: expected pairs of Linear, got None");
      if (down->in_features() != head_->in_features() ||
          up->in_features() != down->out_features() || down->parameters() != head_->parameters() ||
          up->parameters() != head_->parameters())
        throw py::value_error("tail: expected layers of fitting sizes in the head's buffer");
      V_ += up->out_features();
    }
  }

  bool is_double() const { return head_->is_double(); }

  // The sum of the losses, and the gradient of h or None. Adds to the layers' gradients.
  template <class Scalar>
  py::tuple cross_entropy(const py::array& h_given, const TargetArrays& targets, bool backward) {
    const std::int64_t I = head_->in_features();
    const RowArray<Scalar> h("h", h_given, I);
    const CheckedTargets<Scalar> checked(targets, h.R, V_);
    if (checked.targets.class_weights != nullptr || checked.targets.smoothing > 0)
      throw py::value_error("targets: expected no class_weights and no smoothing");
    AdaptiveCrossEntropy<Scalar> problem = {};
    problem.head.shape = {h.R, I, head_->out_features()};
    problem.head.h = h.matrix;
    problem.head.weight = head_->weight<Scalar>();
    problem.head.bias = head_->bias<Scalar>();
    problem.head.targets = checked.targets;
    std::vector<AdaptiveCluster<Scalar>> clusters;
    for (const LinearPair& pair : tail_) {
      Linear &down = *pair.first, &up = *pair.second;
      const std::int64_t begin =
          clusters.empty() ? S_ : clusters.back().begin + clusters.back().size;
      clusters.push_back({begin, up.out_features(), down.out_features(), down.weight<Scalar>(),
                          up.weight<Scalar>(), down.dweight<Scalar>(), up.dweight<Scalar>()});
    }
    problem.clusters = clusters.data();
    problem.C = static_cast<std::int64_t>(clusters.size());
    py::object dh = py::none();
    if (backward) {
      auto array = new_array<Scalar>({h.R, I});
      problem.head.dh = {array.mutable_data(), I};
      problem.head.dweight = head_->dweight<Scalar>();
      problem.head.dbias = head_->dbias<Scalar>();
      dh = array;
    }
    const auto& all = tables<Scalar>(head_->table());
    const int threads = thread_count();
    double loss = 0;
    Status status = Status::ok;
    const auto run = [&](bool gradients) {
      const Released release;
      std::unique_lock lock(head_->gradient_mutex(), std::defer_lock);
      if (gradients) lock.lock();
      problem.head.backward = gradients;
      status = all.adaptive->cross_entropy(problem, &loss, threads);
    };
    double largest;
    {
      const Released release;
      largest = all.elements->largest(h.R, I, h.matrix, threads);
    }
    if (std::isnan(largest)) throw_not_finite("h");
    // Where the loss may be NaN it is looked at before gradients are touched.
    if (backward && may_be_nan<Scalar>(largest)) {
      run(false);
      if (status == Status::ok && !std::isfinite(loss)) return py::make_tuple(loss, py::none());
    }
    if (status == Status::ok) run(backward);
    require_ok(status);
    return py::make_tuple(loss, dh);
  }

 private:
  // Whether a row of this size may have scores that are not finite. Needs the GIL.
  template <class Scalar>
  bool may_be_nan(double largest_input) {
    bool may = may_overflow<Scalar>(head_->largest_score<Scalar>(largest_input));
    for (const LinearPair& pair : tail_) {
      const double projected = pair.first->largest_score<Scalar>(largest_input);
      may = may || may_overflow<Scalar>(projected) ||
            may_overflow<Scalar>(pair.second->largest_score<Scalar>(projected));
    }
    return may;
  }

  LinearPointer head_;
  std::vector<LinearPair> tail_;
  std::int64_t S_ = 0, V_ = 0;  // classes of the head, and all
};

}  // namespace

void bind_adaptive(py::module_& m) {
  py::class_<AdaptiveSoftmax>(m, "AdaptiveSoftmax")
      .def(py::init<LinearPointer, std::vector<LinearPair>>(), py::arg("head"), py::arg("tail"))
      .def(
          "cross_entropy",
          [](AdaptiveSoftmax& self, const py::array& h, const TargetArrays& targets,
             bool backward) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return self.cross_entropy<decltype(scalar)>(h, targets, backward);
            });
          },
          py::arg("h"), py::arg("targets"), py::arg("backward"));
}

}  // namespace rnnfast
