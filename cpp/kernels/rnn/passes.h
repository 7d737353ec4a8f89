// Passes over a stack of layers, forward and back: layer after layer by a whole team, or layers
// side by side.
#pragma once

#include "kernels/rnn/pipeline.h"
#include "kernels/rnn/window.h"

namespace rnnfast {

// One layer's direction, forward, by the threads of a group.
template <class Scalar>
void forward_layer(const PackedStack<Scalar>& packed, StackCache<Scalar>& c,
                   typename StackCache<Scalar>::Tables& rows, int l, int d, const Worker& worker,
                   PartObserver* observer) {
  const Range steps = share(c.schedule.steps, worker.member, worker.members);
  c.build_rows(rows, l, d, steps);
  const LayerWindow<Scalar> window(c, l, d);
  if (c.shape.window > 1) window.fill(c.wide[d].data(), steps);
  LayerPass<Scalar> pass = c.pass(packed, rows, l, d);
  pass.observer = observer;
  c.begin_carry(pass, l, d, worker);
  worker.own->wait();
  layer_kernel<Scalar>(*c.shape.cell).forward(pass, worker);
  worker.own->wait();
  c.final_states(pass, l, d, worker);
  if (c.shape.window > 1) window.fill_state(share(c.schedule.B, worker.member, worker.members));
  // The rows are rebuilt for the next layer or read by the next direction.
  worker.own->wait();
}

template <class Scalar>
Status stack_forward(const PackedStack<Scalar>& packed, const SequenceInput<Scalar>& input,
                     const SequenceOutput<Scalar>& output, Dropout dropout,
                     StackCache<Scalar>** kept, int threads) {
  std::unique_ptr<StackCache<Scalar>> cache(new (std::nothrow) StackCache<Scalar>);
  if (!cache) return Status::out_of_memory;
  StackCache<Scalar>& c = *cache;
  const StackShape& shape = packed.shape;
  c.shape = shape;
  c.keep = kept != nullptr;
  c.input = input;
  c.output = output;
  c.dropout = dropout;
  if (!c.schedule.build(input.T, input.B, input.lengths)) return Status::out_of_memory;
  c.schedule.packed = input.packed;
  const TeamPlan plan =
      Planner<Scalar>(shape, c.schedule, input.indices != nullptr, threads).choose();
  if (!c.allocate(packed, plan)) return Status::out_of_memory;
  if (c.keep && input.h0 != nullptr) {
    const std::int64_t size = product_of(shape.L, shape.D, input.B, shape.P);
    if (!c.h0.assign(input.h0, size)) return Status::out_of_memory;
    c.input.h0 = c.h0.data();
  }
  if (c.keep && input.c0 != nullptr && shape.window > 1) {  // of which backpropagation reads steps
    const std::int64_t size = product_of(shape.L, shape.D, input.B, shape.memory());
    if (!c.c0.assign(input.c0, size)) return Status::out_of_memory;
    c.input.c0 = c.c0.data();
  }
  Pipeline pipeline;
  if (plan.pipelined && !pipeline.create(shape.L)) return Status::out_of_memory;
  Everywhere finite;
  bool refused = false;
  run_team(plan, [&](Worker worker) {
    if (input.x != nullptr && !finite.all(worker, is_finite(c.schedule, input.x, input.x_time,
                                                            input.x_batch, shape.I, worker))) {
      if (worker.rank == 0) refused = true;
      return;
    }
    if (plan.split_rows) worker.rows = c.schedule.deal(worker.member, worker.members);
    if (input.lengths != nullptr && !input.packed)
      clear_padding(c.schedule, input.T, output.y, output.y_time, output.y_batch, c.width(),
                    worker);
    if (plan.pipelined) {
      pipeline.for_layers(worker, shape.L, false, [&](int l, const Worker& alone) {
        ForwardFollower<Scalar> follower(c, l, pipeline);
        forward_layer(packed, c, c.tables[worker.rank], l, 0, alone, &follower);
      });
      return;
    }
    for (int l = 0; l < shape.L; ++l) {
      for (int d = 0; d < shape.D; ++d)
        if (worker.groups == 1 || d == worker.group)
          forward_layer(packed, c, c.tables[d], l, d, worker, nullptr);
      worker.all->wait();
      if (c.drops() && l + 1 < shape.L) {
        c.apply_dropout(l, c.y[l].data(), c.dropped[l].data(),
                        share(c.schedule.steps, worker.rank, worker.size));
        worker.all->wait();
      }
    }
  });
  if (refused) return Status::not_finite;
  for (Buffer<Scalar>& wide : c.wide) wide = {};  // backpropagation makes a layer's again
  if (kept != nullptr) *kept = cache.release();
  return Status::ok;
}

// Scratch of those who work on one layer's direction in backpropagation.
template <class Scalar>
struct GradientScratch {
  Buffer<Scalar> transposed, dcarry, dkept, d_output, d_norm, row_space, sums, left, panels;

  // `transposed_of(l)`: what is wanted of layer l's weights; `members`: the most threads that work
  // on one direction.
  template <class F>
  bool reserve(const PackedStack<Scalar>& packed, const StackCache<Scalar>& cache, int threads,
               int members, const F& transposed_of) {
    const Schedule& schedule = cache.schedule;
    constexpr int V = lanes<Scalar>;
    const StackShape& shape = packed.shape;
    std::int64_t most_sums = 0, most_left = 0, most_panels = 0, most_weights = 0;
    for (int i = 0; i < shape.L * shape.D; ++i) {
      const auto sizes =
          gradient_sizes(packed.layers[i], schedule, cache.reads_indices(i / shape.D));
      most_weights = std::max(
          most_weights, Transposed<Scalar>::size(packed.layers[i], transposed_of(i / shape.D)));
      most_sums = std::max(most_sums, sizes.sums);
      most_left = std::max(most_left, sizes.left);
      most_panels = std::max(most_panels, sizes.panels);
    }
    const auto& any = packed.layers[0];
    const CellDescriptor& cell = *shape.cell;
    const std::int64_t states = product_of(any.units, schedule.B, V);
    const std::int64_t outputs = product_of(any.outputs, shape.projection ? schedule.rows : 0, V);
    return transposed.reserve(most_weights) && dcarry.reserve(states) && sums.reserve(most_sums) &&
           left.reserve(most_left) && panels.reserve(product_of(members, most_panels)) &&
           d_output.reserve(cell.normalised() ? states : outputs) &&
           dkept.reserve(cell.keeps_output() ? states : 0) &&
           (!cell.normalised() ||
            (d_norm.reserve(product_of(states, cell.norm_gradients())) &&
             row_space.reserve(product_of(threads, any.units, cell.row_scratch(), V))));
  }
};

// Backpropagation through a stack: what its layers share.
template <class Scalar>
class StackBackward {
  using Tables = typename StackCache<Scalar>::Tables;

 public:
  StackBackward(const PackedStack<Scalar>& packed, StackCache<Scalar>& cache,
                const SequenceGradients<Scalar>& gradients)
      : packed_(packed), c_(cache), shape_(packed.shape), given_(gradients) {}

  Status run(int threads) {
    const TeamPlan plan =
        Planner<Scalar>(shape_, c_.schedule, c_.input.indices != nullptr, threads).choose();
    in_turns_ = plan.groups == 1 && !plan.pipelined && shape_.window == 1 &&
                gradient_products(c_.schedule.rows) == 1;
    if (!reserve(plan)) return Status::out_of_memory;
    Everywhere finite;
    bool refused = false;
    run_team(plan, [&](Worker worker) {
      if (given_.dy != nullptr && !given_.any_dy &&
          !finite.all(worker, is_finite(c_.schedule, given_.dy, given_.dy_time, given_.dy_batch,
                                        c_.width(), worker))) {
        if (worker.rank == 0) refused = true;
        return;
      }
      if (plan.split_rows) worker.rows = c_.schedule.deal(worker.member, worker.members);
      if (given_.dx != nullptr && c_.input.lengths != nullptr && !c_.input.packed)
        clear_padding(c_.schedule, c_.input.T, given_.dx, given_.dx_time, given_.dx_batch, shape_.I,
                      worker);
      if (plan.pipelined)
        pipeline_.for_layers(worker, shape_.L, true, [&](int l, const Worker& alone) {
          BackwardFollower<Scalar> follower(c_, l, dx_of(l), pipeline_);
          layer(l, 0, c_.tables[worker.rank], scratch_[worker.rank], alone, &follower);
        });
      else
        for (int l = shape_.L - 1; l >= 0; --l) one_after_the_other(l, worker);
    });
    return refused ? Status::not_finite : Status::ok;
  }

 private:
  bool reserve(const TeamPlan& plan) {
    const int parties = plan.pipelined ? plan.threads : plan.groups;
    const int members = (plan.threads + parties - 1) / parties;
    scratch_.reset(new (std::nothrow) GradientScratch<Scalar>[parties]);
    if (!scratch_) return false;
    for (int i = 0; i < parties; ++i)
      if (!scratch_[i].reserve(packed_, c_, plan.threads, members,
                               [this](int l) { return transposed_of(l); }))
        return false;
    between_size_ = plan.pipelined ? shape_.L : 2;
    between_.reset(new (std::nothrow) Buffer<Scalar>[between_size_]);
    if (!between_) return false;
    if (shape_.window > 1)
      for (int d = 0; d < shape_.D; ++d) {
        const std::int64_t widest =
            std::max(shape_.input_of(0), shape_.L > 1 ? shape_.input_of(1) : 0);
        if (!d_wide_[d].reserve(product_of(c_.schedule.rows, widest))) return false;
      }
    for (int i = 0; i < std::min(shape_.L - 1, between_size_); ++i)
      if (!between_[i].reserve(product_of(c_.schedule.rows, c_.width()))) return false;
    return c_.allocate_wide() && c_.allocate_tables(plan, true) &&
           (!plan.pipelined || pipeline_.create(shape_.L));
  }

  // The gradient of the output of the layer below, if there is one.
  Scalar* dx_of(int l) const { return l > 0 ? between_[(l - 1) % between_size_].data() : nullptr; }
  const Scalar* dy_of(int l) const {
    return l + 1 < shape_.L ? between_[l % between_size_].data() : nullptr;
  }
  bool wants_dx(int l) const { return l > 0 || given_.dx != nullptr; }
  // What is wanted of a layer's weights: also of what its product sees, which the state may have
  // brought.
  TransposedParts transposed_of(int l) const {
    if (!wants_dx(l) && shape_.window == 1) return TransposedParts::of_states;
    return in_turns_ ? TransposedParts::in_turns : TransposedParts::all;
  }

  LayerPass<Scalar> pass_of(int l, int d, const Tables& rows, GradientScratch<Scalar>& scratch) {
    LayerPass<Scalar> pass = c_.pass(packed_, rows, l, d);
    pass.transposed =
        Transposed<Scalar>(*pass.weights, transposed_of(l), scratch.transposed.data());
    return pass;
  }

  void layer(int l, int d, Tables& rows, GradientScratch<Scalar>& scratch, const Worker& worker,
             PartObserver* observer) {
    const Range steps = share(c_.schedule.steps, worker.member, worker.members);
    const Scalar* dy = dy_of(l);
    c_.build_rows(rows, l, d, steps);
    c_.build_gradient_rows(rows, l, d, steps, given_, dy, dx_of(l), d_wide_[d].data());
    if (shape_.window > 1) LayerWindow<Scalar>(c_, l, d).fill(c_.wide[d].data(), steps);
    const std::int64_t i = l * shape_.D + d, B = c_.schedule.B, c_size = B * shape_.memory();
    LayerGradients<Scalar> g = {};
    g.dy = dy != nullptr || given_.dy != nullptr ? rows.dy.data() : nullptr;
    g.dh_n = given_.dh_n ? given_.dh_n + i * B * shape_.P : nullptr;
    g.dc_n = given_.dc_n ? given_.dc_n + i * c_size : nullptr;
    g.dh0 = given_.dh0 ? given_.dh0 + i * B * shape_.P : nullptr;
    g.dc0 = given_.dc0 ? given_.dc0 + i * c_size : nullptr;
    g.c_stride = shape_.memory();
    g.dx = wants_dx(l) && worker.groups == 1 && shape_.window == 1 ? rows.dx.data() : nullptr;
    g.dx_add = d > 0;
    if (given_.parameters != nullptr) g.parameters = given_.parameters[i];
    g.dcarry = scratch.dcarry.data();
    g.dkept = scratch.dkept.data();
    g.d_output = scratch.d_output.data();
    g.d_norm = scratch.d_norm.data();
    g.row_space = scratch.row_space.data();
    g.sums = scratch.sums.data();
    g.left = scratch.left.data();
    g.panels = scratch.panels.data();
    LayerPass<Scalar> pass = pass_of(l, d, rows, scratch);
    pass.observer = observer;
    pass.transposed.fill(*pass.weights, worker.member, worker.members);
    worker.own->wait();
    layer_kernel<Scalar>(*shape_.cell).backward(pass, g, worker);
    worker.own->wait();
  }

  void one_after_the_other(int l, const Worker& worker) {
    for (int d = 0; d < shape_.D; ++d)
      if (worker.groups == 1 || d == worker.group)
        layer(l, d, c_.tables[d], scratch_[worker.group], worker, nullptr);
    worker.all->wait();
    if (shape_.window > 1) {
      window_gradients(l, worker);
    } else if (wants_dx(l) && worker.groups == 2) {
      // Both directions add to the same rows: one after the other, by everybody. Rows of the
      // second direction lie elsewhere, so that it waits for the first.
      for (int d = 0; d < shape_.D; ++d) {
        const Tables& rows = c_.tables[d];
        input_gradient(pass_of(l, d, rows, scratch_[d]), rows.dx.data(), d > 0,
                       {0, c_.schedule.rows}, worker.rank, worker.size);
        worker.all->wait();
      }
    }
    if (c_.drops() && l > 0) {
      c_.apply_dropout(l - 1, dx_of(l), dx_of(l),
                       share(c_.schedule.steps, worker.rank, worker.size));
      worker.all->wait();
    }
  }

  // Of products that see several steps: each direction's gradients of what it saw, then of the
  // steps and of what the state brought, to which all add that saw them.
  void window_gradients(int l, const Worker& worker) {
    const Schedule& schedule = c_.schedule;
    // Where only the state's gradient is wanted, the first steps are all that saw it.
    const std::int64_t seen =
        wants_dx(l) ? schedule.steps : std::min<std::int64_t>(shape_.window - 1, schedule.steps);
    for (int d = 0; d < shape_.D; ++d) {
      const Tables& rows = c_.tables[d];
      const bool own = worker.groups == 2;  // a direction has its scratch, filled on the way back
      const LayerPass<Scalar> pass = pass_of(l, d, rows, scratch_[own ? d : 0]);
      if (!own && shape_.D > 1) {
        pass.transposed.fill(*pass.weights, worker.rank, worker.size);
        worker.all->wait();
      }
      input_gradient(pass, rows.dx.data(), false, {0, schedule.first[seen]}, worker.rank,
                     worker.size);
      worker.all->wait();
    }
    for (int d = 0; d < shape_.D && given_.dc0 != nullptr; ++d)
      LayerWindow<Scalar>(c_, l, d).state_gradient(share(schedule.B, worker.rank, worker.size),
                                                   d_wide_[d].data(), given_.dc_n, given_.dc0);
    if (wants_dx(l)) {
      const Range times = share(schedule.steps, worker.rank, worker.size);
      for (std::int64_t t = times.begin; t < times.end; ++t)
        for (std::int64_t b = 0; b < schedule.active[t]; ++b) step_gradient(l, t, b);
    }
    worker.all->wait();
  }

  void step_gradient(int l, std::int64_t t, std::int64_t b) {
    const std::int64_t F = shape_.features_of(l), row = c_.schedule.first[t] + b;
    Scalar* to = l > 0 ? dx_of(l) + row * F
                       : given_.dx + c_.schedule.place(t, b, given_.dx_time, given_.dx_batch);
    std::fill_n(to, F, Scalar(0));
    for (int d = 0; d < shape_.D; ++d) {
      const std::int64_t position = d == 0 ? t : c_.schedule.length[b] - 1 - t;
      LayerWindow<Scalar>(c_, l, d).add_gradient(position, b, d_wide_[d].data(), given_.dc_n, to);
    }
  }

  const PackedStack<Scalar>& packed_;
  StackCache<Scalar>& c_;
  const StackShape& shape_;
  const SequenceGradients<Scalar>& given_;
  std::unique_ptr<GradientScratch<Scalar>[]> scratch_;
  std::unique_ptr<Buffer<Scalar>[]> between_;  // gradients of layers' outputs but the last's
  int between_size_ = 0;                       // how many there are
  Buffer<Scalar> d_wide_[2];                   // of each direction, (rows, window F)
  bool in_turns_ = false;  // whether one chunk is all, after which states need no weights any more
  Pipeline pipeline_;
};

}  // namespace rnnfast
