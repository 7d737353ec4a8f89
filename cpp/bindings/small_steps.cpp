#include "bindings/small_steps.h"

#include <algorithm>
#include <new>

namespace rnnfast {

SmallCopy::~SmallCopy() {
  if (network == nullptr) return;
  with_scalar(is_double,
              [this](auto scalar) { table_of<decltype(scalar)>(*tables).free(network); });
}

template <class Scalar>
bool SmallSteps<Scalar>::fits(const Recurrent& layer, const Linear* head) {
  const std::string as_they_are = "float32";
  return layer.numbers() == as_they_are &&
         (head == nullptr ||
          (head->numbers() == as_they_are && &head->table() == &layer.table())) &&
         table_of<Scalar>(layer.small_tables())
             .fits(layer.shape(), head == nullptr ? 0 : head->out_features());
}

template <class Scalar>
SmallSteps<Scalar>::SmallSteps(const Recurrent& layer)
    : table_(&table_of<Scalar>(layer.small_tables())),
      H_(layer.shape().H),
      one_hot_(static_cast<std::size_t>(layer.shape().I)) {
  const std::int64_t padded = table_->padded(layer.shape());
  memory_.reset(static_cast<Scalar*>(
      aligned_allocate(64, 3 * static_cast<std::size_t>(padded) * sizeof(Scalar))));
  if (memory_ == nullptr) throw std::bad_alloc();
  state_.place(memory_.get(), padded);
}

template <class Scalar>
void SmallSteps<Scalar>::refresh(Recurrent& layer, const std::shared_ptr<Linear>& head) {
  if (is_current(layer, head.get())) return;
  auto& shared = layer.small_copy();
  if (shared == nullptr || !shared->is_of(layer, head.get()) || shared->head.lock() != head) {
    auto fresh = std::make_shared<SmallCopy>();
    fresh->tables = &layer.small_tables();
    fresh->is_double = layer.is_double();
    fresh->version = layer.version();
    const auto all = layer.numbers_of_all<Scalar>();
    const auto of_head = head == nullptr ? Values<Scalar>(nullptr) : head->weight<Scalar>();
    SmallWeights<Scalar> weights = {layer.values(all).front(), nullptr, nullptr, 0};
    if (head != nullptr) {
      fresh->head = head;
      fresh->head_version = head->parameters()->version();
      weights.weight = of_head.data();
      weights.bias = head->bias<Scalar>();
      weights.O = head->out_features();
    }
    fresh->network = table_->create(layer.shape(), weights);
    if (fresh->network == nullptr) throw std::bad_alloc();
    shared = std::move(fresh);
  }
  copy_ = shared;
}

template class SmallSteps<float>;
template class SmallSteps<double>;

}  // namespace rnnfast
