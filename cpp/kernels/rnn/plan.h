// How a pass over a stack is cut up among threads.
#pragma once

#include "kernels/core/cache.h"
#include "kernels/rnn/layer_pass.h"
#include "kernels/threads/crowd.h"

namespace rnnfast {

// Rows of a part when layers follow each other: parts enough to keep all threads at work.
inline std::int64_t pipeline_rows(const Schedule& schedule) {
  return std::clamp<std::int64_t>(schedule.rows / 16, 6, kChunkRows);
}

// How many times faster than one thread, as estimated, and the plan for it.
struct Prospect {
  double gain;
  TeamPlan plan;
};

// Chooses among one thread, unit blocks or rows dealt out within each direction, and layers side by
// side. Rough figures suffice: of AVX-512 cores, as slower ones only make small work larger.
template <class Scalar>
class Planner {
 public:
  Planner(const StackShape& shape, const Schedule& schedule, bool indices, int threads)
      : shape_(shape),
        schedule_(schedule),
        indices_(indices && shape.window == 1),
        threads_(Crowd::here().admit(threads)) {}

  TeamPlan choose() const {
    if (threads_ <= 1 || schedule_.steps == 0) return {};
    const double products = flops() * static_cast<double>(schedule_.rows);
    const double reading = static_cast<double>(schedule_.steps) * reading_time(1);
    if (std::max(products / kFlops, reading) < kLeast) return {};
    const Prospect split = deal_out(), pipeline = side_by_side();
    const Prospect& best = pipeline.gain > split.gain ? pipeline : split;
    return best.gain > 1.05 ? best.plan : TeamPlan{};
  }

 private:
  static constexpr double kLeast = 4e4;  // ns of a pass: a parallel region costs microseconds
  static constexpr double kFlops = 75;   // of a core in a nanosecond, in small products
  static constexpr double kNear = 60;    // bytes of its own cache that a core reads in a nanosecond
  static constexpr double kFar = 20;     // and beyond it
  static constexpr double kExchange = 500;  // ns: a barrier, and reading what another core wrote
  static constexpr double kDealt = 0.9;     // of the ideal: smaller tiles, uneven shares

  // Of what h<t-1> enters; where that is no product, about as much as a step's pointwise part.
  double recurrent() const {
    const double H = static_cast<double>(shape_.H);
    if (!shape_.cell->recurrent_product()) return 40 * H;
    return 2 * gates() * H * static_cast<double>(shape_.P);
  }
  double gates() const { return shape_.cell->gate_count; }
  // Flops of a row in one direction of layer l.
  double flops(int l) const {
    if (l == 0 && indices_) return recurrent();
    return recurrent() +
           2 * gates() * static_cast<double>(shape_.H) * static_cast<double>(shape_.input_of(l));
  }
  double flops() const {  // of a row in all layers and directions
    double sum = 0;
    for (int l = 0; l < shape_.L; ++l) sum += shape_.D * flops(l);
    return sum;
  }

  // Nanoseconds in which each of so many threads reads its part of the weights that every step
  // meets: all of a single step, of more the recurrent ones, a layer's at a time.
  double reading_time(double members) const {
    const double layers = shape_.L * shape_.D;
    const double all = schedule_.steps == 1               ? flops()
                       : shape_.cell->recurrent_product() ? layers * recurrent()
                                                          : 0;
    const double bytes = all / 2 * sizeof(Scalar) / members;
    const double together = schedule_.steps == 1 ? bytes : bytes / layers;
    const bool near = together <= static_cast<double>(core_cache_bytes()) / 8 * 5;
    return bytes / (near ? kNear : kFar);
  }

  Prospect deal_out() const {
    TeamPlan plan;
    plan.groups = shape_.D == 2 ? 2 : 1;
    std::int64_t members = threads_ / plan.groups;
    const double weights = recurrent() / 2 * sizeof(Scalar);
    plan.split_rows = members > 1 && weights <= static_cast<double>(core_cache_bytes()) / 4 &&
                      schedule_.B >= 8 * members;
    double gain = static_cast<double>(members);
    if (!plan.split_rows) {
      members = std::min(members, blocks_of<Scalar>(shape_.H));
      const double rows =
          static_cast<double>(schedule_.rows) / static_cast<double>(schedule_.steps);
      const auto step = [&](double size) {  // of a layer's direction
        return std::max(flops() * rows / kFlops / size, reading_time(size)) / (shape_.L * shape_.D);
      };
      const double exchange = shape_.cell->recurrent_product() ? kExchange : 0;
      gain = members > 1 ? step(1) / (step(static_cast<double>(members)) + exchange) : 1;
      if (gain < 1) members = 1, gain = 1;
    }
    plan.threads = plan.split_rows ? threads_ : static_cast<int>(plan.groups * members);
    return {plan.groups * std::max(1.0, kDealt * gain), plan};
  }

  // Thread w takes layers w, w + threads, ...; each layer follows the one before by a part.
  Prospect side_by_side() const {
    TeamPlan plan;
    if (shape_.D == 2 || shape_.L == 1 || shape_.window > 1) return {1, plan};
    plan.pipelined = true;
    plan.threads = std::min(threads_, shape_.L);
    // A thread reads a whole layer: from its own cache, or for many rows at a time.
    const double cache = static_cast<double>(core_cache_bytes());
    const double fitting = schedule_.rows >= 16 * schedule_.steps ? cache : cache / 2;
    double most = 0;
    for (int w = 0; w < plan.threads; ++w) {
      double sum = 0;
      for (int l = w; l < shape_.L; l += plan.threads) {
        if (flops(l) / 2 * sizeof(Scalar) > fitting) return {1, TeamPlan{}};
        sum += flops(l);
      }
      most = std::max(most, sum);
    }
    const std::int64_t part = std::max(
        std::int64_t(1), pipeline_rows(schedule_) * schedule_.steps / schedule_.rows);  // steps
    const double parts = static_cast<double>(schedule_.steps) / static_cast<double>(part);
    return {flops() / most * parts / (parts + plan.threads - 1), plan};
  }

  const StackShape& shape_;
  const Schedule& schedule_;
  bool indices_;
  int threads_;
};

}  // namespace rnnfast
