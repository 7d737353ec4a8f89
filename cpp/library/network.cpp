#include "library/network.h"

#include <cmath>
#include <cstring>

#include "library/fault.h"
#include "library/pooling.h"

namespace rnnfast::library {

void require_ok(Status status) {
  if (status == Status::out_of_memory) throw std::bad_alloc();
  if (status == Status::not_finite)
    fail(RNNFAST_NOT_FINITE, "x: expected finite numbers, got NaN or infinity");
}

namespace {

// What a part takes, 0: as many as come, and what it gives.
template <class Scalar>
struct Widths {
  std::int64_t in;
  std::int64_t operator()(const RecurrentPart<Scalar>& p) const {
    return out(p.shape.I, p.shape.D * p.shape.P);
  }
  std::int64_t operator()(const LinearPart<Scalar>& p) const { return out(p.I, p.O); }
  std::int64_t operator()(const EmbeddingPart<Scalar>& p) const { return p.E; }
  std::int64_t operator()(const ActivationPart&) const { return in; }
  std::int64_t operator()(const PoolingPart& p) const {
    if (in % p.directions != 0) fail_file("layers: expected outputs that the pooling can divide");
    return p.how == Pool::concat ? 3 * in : in;
  }
  std::int64_t operator()(const ResidualPart<Scalar>& p) const {
    return out(p.inner->input_size(), p.inner->output_size());
  }
  std::int64_t out(std::int64_t wanted, std::int64_t given) const {
    if (wanted != in)
      fail_file("layers: expected one that takes " + std::to_string(in) +
                " numbers, as many as the one before gives, got one that takes " +
                std::to_string(wanted));
    return given;
  }
};

template <class Scalar>
struct FirstWidth {
  std::int64_t operator()(const RecurrentPart<Scalar>& p) const { return p.shape.I; }
  std::int64_t operator()(const LinearPart<Scalar>& p) const { return p.I; }
  std::int64_t operator()(const EmbeddingPart<Scalar>& p) const { return p.count; }
  std::int64_t operator()(const ResidualPart<Scalar>& p) const { return p.inner->input_size(); }
  template <class Other>
  std::int64_t operator()(const Other&) const {
    fail_unsupported("layers: expected a layer with weights as the first, got none");
  }
};

// Runs a batch through the parts, one after the other.
template <class Scalar>
class Pass {
 public:
  Pass(const Batch<Scalar>& batch, Block<Scalar>* states)
      : batch_(batch), states_(states), table_(tables<Scalar>(kernels())) {}

  Block<Scalar> run(const Network<Scalar>& network) {
    for (std::size_t i = 0; i < network.parts.size(); ++i) {
      in_ = network.widths[i];
      out_ = network.widths[i + 1];
      std::visit([this](const auto& part) { apply(part); }, network.parts[i]);
    }
    return std::move(now_);
  }

 private:
  const Scalar* x() const { return now_.data() != nullptr ? now_.data() : batch_.x; }
  std::int64_t rows() const { return pooled_ ? batch_.B : product_of({batch_.T, batch_.B}); }
  // What the kernels of a part do not look at themselves.
  void require_finite() const {
    if (!table_.elements->all_finite(rows(), in_, {x(), in_}, threads()))
      require_ok(Status::not_finite);
  }

  void apply(const RecurrentPart<Scalar>& part) {
    const StackShape& shape = part.shape;
    const std::int64_t B = batch_.B, h_size = shape.L * shape.D * B * shape.P;
    Block<Scalar> y(product_of({batch_.T, B, out_})), end(part.state_size(B));
    SequenceInput<Scalar> input = {};
    input.T = batch_.T;
    input.B = B;
    input.x = x();
    if (input.x == nullptr) input.indices = batch_.ids;
    const std::int64_t width = input.x == nullptr ? 1 : in_;
    input.x_time = B * width;
    input.x_batch = width;
    if (states_ != nullptr) {
      input.h0 = states_->data() + state_at_;
      if (shape.cell->has_memory()) input.c0 = input.h0 + h_size;
    }
    SequenceOutput<Scalar> output = {};
    output.y = y.data();
    output.y_time = B * out_;
    output.y_batch = out_;
    output.h_n = end.data();
    if (shape.cell->has_memory()) output.c_n = end.data() + h_size;
    require_ok(table_.recurrent->forward(part.packed.get(), input, output, {}, nullptr, threads()));
    if (states_ != nullptr) std::copy_n(end.data(), end.size(), states_->data() + state_at_);
    state_at_ += end.size();
    now_ = std::move(y);
  }

  void apply(const LinearPart<Scalar>& part) {
    const std::int64_t R = rows();
    Block<Scalar> y(product_of({R, out_}));
    require_finite();
    require_ok(table_.linear->forward({R, part.I, part.O}, {x(), in_}, part.packed->data(),
                                      part.bias ? part.bias->data() : nullptr, {y.data(), out_},
                                      threads()));
    now_ = std::move(y);
  }

  void apply(const EmbeddingPart<Scalar>& part) {
    Block<Scalar> y(product_of({rows(), part.E}));
    table_.embedding->gather(rows(), part.E, part.table->data(), batch_.ids, y.data(), threads());
    now_ = std::move(y);
  }

  void apply(const ActivationPart& part) {
    const std::int64_t n = product_of({rows(), out_});
    Block<Scalar> y(n);
    require_finite();
    activate(table_, part.function, n, x(), y.data());
    now_ = std::move(y);
  }

  void apply(const PoolingPart& part) {
    require_finite();
    now_ = pool(part, batch_.T, batch_.B, in_, x());
    pooled_ = true;
  }

  void apply(const ResidualPart<Scalar>& part) {
    const Block<Scalar> before = std::move(now_);
    const Scalar* const from = before.data() != nullptr ? before.data() : batch_.x;
    Pass inner(Batch<Scalar>{batch_.T, batch_.B, from, nullptr}, states_);
    inner.state_at_ = state_at_;
    now_ = inner.run(*part.inner);
    state_at_ = inner.state_at_;
    for (std::int64_t i = 0; i < now_.size(); ++i) now_.data()[i] += from[i];
  }

  Batch<Scalar> batch_;
  Block<Scalar>* states_;
  const Tables<Scalar>& table_;
  Block<Scalar> now_;
  std::int64_t in_ = 0, out_ = 0, state_at_ = 0;
  bool pooled_ = false;
};

}  // namespace

template <class Scalar>
void Network<Scalar>::add(Part<Scalar> part) {
  if (parts.empty()) widths.push_back(std::visit(FirstWidth<Scalar>{}, part));
  if (!parts.empty() && std::holds_alternative<EmbeddingPart<Scalar>>(part))
    fail_unsupported("layers: expected an Embedding as the first one only");
  if (pools() && !std::holds_alternative<LinearPart<Scalar>>(part) &&
      !std::holds_alternative<ActivationPart>(part))
    fail_unsupported("layers: expected Linear and Activation alone behind a Pooling");
  const bool inner_pools = std::holds_alternative<ResidualPart<Scalar>>(part) &&
                           std::get<ResidualPart<Scalar>>(part).inner->pools();
  if (inner_pools) fail_unsupported("layers: expected no Pooling within a Residual");
  widths.push_back(std::visit(Widths<Scalar>{widths.back()}, part));
  parts.push_back(std::move(part));
}

template <class Scalar>
bool Network<Scalar>::takes_ids() const {
  return std::holds_alternative<EmbeddingPart<Scalar>>(parts.front()) ||
         std::holds_alternative<RecurrentPart<Scalar>>(parts.front());
}
template <class Scalar>
bool Network<Scalar>::takes_numbers() const {
  return !std::holds_alternative<EmbeddingPart<Scalar>>(parts.front());
}
template <class Scalar>
bool Network<Scalar>::pools() const {
  for (const auto& part : parts)
    if (std::holds_alternative<PoolingPart>(part)) return true;
  return false;
}
template <class Scalar>
bool Network<Scalar>::steps() const {
  for (const auto& part : parts) {
    if (std::holds_alternative<PoolingPart>(part)) return false;
    if (const auto* layer = std::get_if<RecurrentPart<Scalar>>(&part))
      if (layer->shape.D > 1) return false;
    if (const auto* residual = std::get_if<ResidualPart<Scalar>>(&part))
      if (!residual->inner->steps()) return false;
  }
  return true;
}

template <class Scalar>
Block<Scalar> forward(const Network<Scalar>& network, const Batch<Scalar>& batch,
                      Block<Scalar>* states) {
  return Pass<Scalar>(batch, states).run(network);
}

template struct Network<float>;
template struct Network<double>;
template Block<float> forward(const Network<float>&, const Batch<float>&, Block<float>*);
template Block<double> forward(const Network<double>&, const Batch<double>&, Block<double>*);

}  // namespace rnnfast::library
