#include "library/steps.h"

#include <cstring>

#include "library/fault.h"
#include "library/pooling.h"

namespace rnnfast::library {

template <class Scalar>
Steps<Scalar>::Steps(const Network<Scalar>& network, std::int64_t B)
    : table_(tables<Scalar>(kernels())), B_(B) {
  if (!network.steps())
    fail_unsupported("stream: expected layers of one direction without pooling, got others");
  in_ = network.input_size();
  out_ = network.output_size();
  if (B == 1) make_small(network);
  if (small_ != nullptr) return;
  for (std::size_t i = 0; i < network.parts.size(); ++i) {
    const std::int64_t in = network.widths[i], out = network.widths[i + 1];
    const bool is_last = i + 1 == network.parts.size();
    Place place = {&network.parts[i], in, out, {}, {nullptr, Free{table_.recurrent}}, {}};
    if (!is_last) place.y = Block<Scalar>(product_of({B, out}));
    if (const auto* layer = std::get_if<RecurrentPart<Scalar>>(place.part)) {
      place.stream.reset(table_.recurrent->stream_create(layer->packed.get(), B));
      if (place.stream == nullptr) throw std::bad_alloc();
    } else if (const auto* residual = std::get_if<ResidualPart<Scalar>>(place.part)) {
      place.inner = std::make_unique<Steps>(*residual->inner, B);
    }
    places_.push_back(std::move(place));
  }
}

template <class Scalar>
void Steps<Scalar>::make_small(const Network<Scalar>& network) {
  const auto& small = table_of<Scalar>(small_kernels());
  const auto* const layer = std::get_if<RecurrentPart<Scalar>>(&network.parts.front());
  const LinearPart<Scalar>* head = nullptr;
  if (network.parts.size() == 2) head = std::get_if<LinearPart<Scalar>>(&network.parts.back());
  if (layer == nullptr || layer->kept == nullptr || network.parts.size() > 2 ||
      (network.parts.size() == 2 && (head == nullptr || head->weight == nullptr)) ||
      !small.fits(layer->shape, head == nullptr ? 0 : head->O))
    return;
  SmallWeights<Scalar> weights = {layer->parameters, nullptr, nullptr, 0};
  if (head != nullptr)
    weights = {layer->parameters, head->weight->data(), head->bias ? head->bias->data() : nullptr,
               head->O};
  small_.reset(small.create(layer->shape, weights));
  if (small_ == nullptr) throw std::bad_alloc();
  small_part_ = layer;
  const std::int64_t padded = small.padded(layer->shape);
  small_memory_ = Block<Scalar>(3 * padded);
  small_state_.place(small_memory_.data(), padded);
  one_hot_ = Block<Scalar>(in_);
}

template <class Scalar>
void Steps<Scalar>::run(std::int64_t T, const Scalar* x, Scalar* y) noexcept {
  if (small_ != nullptr) {
    table_of<Scalar>(small_kernels()).run(small_.get(), T, x, &small_state_, y);
    return;
  }
  for (std::int64_t t = 0; t < T; ++t) step(x + t * B_ * in_, nullptr, y + t * B_ * out_);
}

template <class Scalar>
void Steps<Scalar>::step(const Scalar* x, const std::int64_t* ids, Scalar* y) noexcept {
  if (small_ != nullptr) {
    if (x != nullptr) return run(1, x, y);
    one_hot_.data()[*ids] = 1;
    run(1, one_hot_.data(), y);
    one_hot_.data()[*ids] = 0;
    return;
  }
  for (Place& place : places_) {
    Scalar* const to = &place == &places_.back() ? y : place.y.data();
    switch (place.part->index()) {
      case 0: {
        const auto& part = *std::get_if<RecurrentPart<Scalar>>(place.part);
        table_.recurrent->stream_step(place.stream.get(), part.packed.get(), x,
                                      x == nullptr ? ids : nullptr, to, 1);
        break;
      }
      case 1: {
        const auto& part = *std::get_if<LinearPart<Scalar>>(place.part);
        table_.linear->forward({B_, part.I, part.O}, {x, place.in}, part.packed->data(),
                               part.bias ? part.bias->data() : nullptr, {to, place.out}, 1);
        break;
      }
      case 2: {
        const auto& part = *std::get_if<EmbeddingPart<Scalar>>(place.part);
        table_.embedding->gather(B_, part.E, part.table->data(), ids, to, 1);
        break;
      }
      case 3: {
        const auto& part = *std::get_if<ActivationPart>(place.part);
        activate(table_, part.function, B_ * place.out, x, to);
        break;
      }
      default: {  // a residual
        place.inner->step(x, nullptr, to);
        for (std::int64_t i = 0; i < B_ * place.out; ++i) to[i] += x[i];
      }
    }
    x = to;
  }
}

template <class Scalar>
template <class Use>
void Steps<Scalar>::each_stream(const Steps& steps, const Use& use) {
  for (const Place& place : steps.places_) {
    if (place.inner != nullptr) each_stream(*place.inner, use);
    if (place.stream != nullptr)
      use(place.stream.get(), *std::get_if<RecurrentPart<Scalar>>(place.part), steps);
  }
}

template <class Scalar>
std::int64_t Steps<Scalar>::state_size() const {
  if (small_ != nullptr) return small_part_->state_size(1);
  std::int64_t size = 0;
  each_stream(*this, [&](Stream*, const RecurrentPart<Scalar>& part, const Steps& steps) {
    size += part.state_size(steps.B_);
  });
  return size;
}

template <class Scalar>
void Steps<Scalar>::get(Scalar* state) const noexcept {
  if (small_ != nullptr) {
    const std::int64_t H = small_part_->shape.H;
    std::copy_n(small_state_.h[small_state_.now], H, state);
    if (small_part_->shape.cell->has_memory()) std::copy_n(small_state_.c, H, state + H);
    return;
  }
  each_stream(*this, [&](Stream* stream, const RecurrentPart<Scalar>& part, const Steps& steps) {
    steps.table_.recurrent->stream_get(stream, state,
                                       state + part.shape.L * steps.B_ * part.shape.P);
    state += part.state_size(steps.B_);
  });
}

template <class Scalar>
void Steps<Scalar>::set(const Scalar* state) noexcept {
  if (small_ != nullptr) {
    const std::int64_t H = small_part_->shape.H;
    const bool memory = state != nullptr && small_part_->shape.cell->has_memory();
    return small_state_.set(H, state, memory ? state + H : nullptr);
  }
  each_stream(*this, [&](Stream* stream, const RecurrentPart<Scalar>& part, const Steps& steps) {
    const bool memory = part.shape.cell->has_memory();
    const Scalar* const c =
        state != nullptr && memory ? state + part.shape.L * steps.B_ * part.shape.P : nullptr;
    steps.table_.recurrent->stream_set(stream, state, c);
    if (state != nullptr) state += part.state_size(steps.B_);
  });
}

template class Steps<float>;
template class Steps<double>;

}  // namespace rnnfast::library
