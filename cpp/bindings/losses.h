// Targets of a softmax loss as they come from Python.
#pragma once

#include <algorithm>
#include <string>

#include "bindings/arrays.h"
#include "bindings/finite.h"
#include "kernels/abi/losses.h"

namespace rnnfast {

struct TargetArrays {
  py::array classes;  // (R) int64
  py::object row_weights, class_weights;
  std::int64_t ignore_index;
  double smoothing, scale;
};

// The same, checked against R rows and V classes.
template <class Scalar>
struct CheckedTargets {
  Targets<Scalar> targets;
  Held held[3];

  CheckedTargets(const TargetArrays& given, std::int64_t R, std::int64_t V) {
    targets.classes = optional_data<std::int64_t>("targets", given.classes, {R}, held[0]);
    targets.ignore = given.ignore_index;
    targets.row_weights = optional_data<Scalar>("weights", given.row_weights, {R}, held[1]);
    targets.class_weights =
        optional_data<Scalar>("class_weights", given.class_weights, {V}, held[2]);
    if (targets.row_weights != nullptr && !all_finite(targets.row_weights, R))
      throw_not_finite("weights");
    if (targets.class_weights != nullptr && !all_finite(targets.class_weights, V))
      throw_not_finite("class_weights");
    targets.smoothing = given.smoothing;
    targets.scale = given.scale;
    const std::int64_t* const end = targets.classes + R;
    const auto* wrong = std::find_if(targets.classes, end, [&](std::int64_t t) {
      return (t < 0 || t >= V) && t != given.ignore_index;
    });
    if (wrong != end)
      throw py::value_error("targets: expected classes from 0 to " + std::to_string(V - 1) +
                            " or ignore_index " + std::to_string(given.ignore_index) + ", got " +
                            std::to_string(*wrong));
  }
};

}  // namespace rnnfast
