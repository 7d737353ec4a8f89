#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
    if (backward) head_->require_training();  // the tail is as the head
    const std::int64_t I = head_->in_features();
    const RowArray<Scalar> h("h", h_given, I);
    const CheckedTargets<Scalar> checked(targets, h.R, V_);
    if (checked.targets.class_weights != nullptr || checked.targets.smoothing > 0)
      throw py::value_error("targets: expected no class_weights and no smoothing");
    if (head_->is_reduced()) {
      h.require_finite("h", *tables<Scalar>(head_->table()).elements, thread_count());
      return py::make_tuple(loss_of_all_scores(h, checked.targets), py::none());
    }
    AdaptiveCrossEntropy<Scalar> problem = {};
    problem.head.shape = {h.R, I, head_->out_features()};
    problem.head.h = h.matrix;
    const auto weight = head_->weight<Scalar>();
    problem.head.weight = weight.data();
    problem.head.bias = head_->bias<Scalar>();
    problem.head.targets = checked.targets;
    std::vector<AdaptiveCluster<Scalar>> clusters;
    for (const LinearPair& pair : tail_) {
      Linear &down = *pair.first, &up = *pair.second;
      const std::int64_t begin =
          clusters.empty() ? S_ : clusters.back().begin + clusters.back().size;
      clusters.push_back({begin, up.out_features(), down.out_features(),
                          down.weight<Scalar>().data(), up.weight<Scalar>().data(),
                          down.dweight<Scalar>(), up.dweight<Scalar>()});
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
  // The sum of the losses of scores as the layers' `forward` gives them: those of the head, and in
  // each cluster of the rows whose targets are in it. Needs the GIL.
  template <class Scalar>
  double loss_of_all_scores(const RowArray<Scalar>& h, const Targets<Scalar>& targets) {
    std::vector<std::int64_t> in_head(targets.classes, targets.classes + h.R);
    // A number of no class: that of the caller's may be one of a cluster.
    std::replace(in_head.begin(), in_head.end(), targets.ignore, std::int64_t(-1));
    std::int64_t begin = S_;
    double loss = 0;
    for (std::size_t i = 0; i < tail_.size(); ++i) {
      Linear &down = *tail_[i].first, &up = *tail_[i].second;
      const std::int64_t I = down.in_features(), width = down.out_features();
      const std::int64_t end = begin + up.out_features();
      std::vector<Scalar> rows, weights;
      std::vector<std::int64_t> classes;
      for (std::int64_t r = 0; r < h.R; ++r) {
        const std::int64_t target = targets.classes[r];
        if (target < begin || target >= end || target == targets.ignore) continue;
        in_head[static_cast<std::size_t>(r)] = S_ + static_cast<std::int64_t>(i);
        classes.push_back(target - begin);
        const Scalar* const from = h.matrix.data + r * h.matrix.stride;
        rows.insert(rows.end(), from, from + I);
        if (targets.row_weights != nullptr) weights.push_back(targets.row_weights[r]);
      }
      begin = end;
      const auto R = static_cast<std::int64_t>(classes.size());
      std::vector<Scalar> fewer(static_cast<std::size_t>(R * width));
      const auto projection = down.template forward<Scalar>();
      require_ok(projection.table->forward({R, I, width}, {rows.data(), I},
                                           projection.packed->template data<Scalar>(), nullptr,
                                           {fewer.data(), width}, thread_count()));
      if (!all_finite(fewer.data(), R * width)) return std::numeric_limits<double>::quiet_NaN();
      Targets<Scalar> part = targets;
      part.classes = classes.data();
      part.row_weights = weights.empty() ? nullptr : weights.data();
      part.ignore = -1;
      loss += loss_of_scores<Scalar>(up, R, {fewer.data(), width}, part);
    }
    Targets<Scalar> part = targets;
    part.classes = in_head.data();
    part.ignore = -1;
    return loss + loss_of_scores<Scalar>(*head_, h.R, h.matrix, part);
  }

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
