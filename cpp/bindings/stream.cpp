#include "bindings/stream.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <new>

#include "bindings/finite.h"
#include "bindings/unlocked.h"

namespace rnnfast {

// Bytes of weights below which the kernels take a step by one thread whatever they are offered:
// asking how many there may be would take a fair part of such a step.
constexpr std::int64_t kShared = 256 << 10;
// Products from which on a step by a pass is long: some ten microseconds of one thread.
constexpr std::int64_t kLong = 1 << 20;
// Products of a head below which one thread does them.
constexpr std::int64_t kSharedHead = 1 << 16;
// Sequences from which on long steps of all of them are passes too: of fewer the numbers stay in
// the cache, and copies of their states would cost more than that.
constexpr std::int64_t kMany = 512;

StreamHandle::StreamHandle(std::shared_ptr<Recurrent> layer, std::int64_t batch_size,
                           std::shared_ptr<Linear> head)
    : layer_(std::move(layer)),
      head_(std::move(head)),
      batch_size_(batch_size),
      O_(head_ != nullptr ? head_->out_features() : layer_->shape().P),
      weights_(layer_->weights(false)) {
  const StackShape& shape = layer_->shape();
  if (batch_size < 1)
    throw py::value_error("batch_size: expected at least 1, got " + std::to_string(batch_size));
  if (head_ != nullptr &&
      (head_->in_features() != shape.P || head_->is_double() != layer_->is_double()))
    throw py::value_error("head: expected in_features " + std::to_string(shape.P) +
                          " and the dtype of the layer, got another");
  // The states twice, and what a step works out.
  const std::int64_t numbers =
      2 * shape.L * (shape.P + shape.memory()) + (shape.cell->slots + 1) * shape.H;
  require_memory("batch_size: a stream of " + std::to_string(batch_size) + " sequences",
                 bytes_of({batch_size, numbers}, layer_->is_double() ? 8 : 4));
  with_scalar(layer_->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    for (int l = 0; l < shape.L; ++l)
      products_ += shape.cell->gate_count * shape.H *
                   (shape.input_of(l) + (shape.cell->recurrent_product() ? shape.P : 0));
    may_share_ = products_ * static_cast<std::int64_t>(sizeof(Scalar)) >= kShared;
    many_ = batch_size >= kMany && batch_size * products_ >= kLong;
    quick_ = !may_share_ && !many_ && (head_ == nullptr || head_->numbers() == "float32");
    output_ = new_array<Scalar>({batch_size, O_});
    output_flat_ = py::array(py::dtype::of<Scalar>(), {O_}, output_.data(), output_);
    if (head_ != nullptr) hidden_ = new_array<Scalar>({batch_size, shape.P});
    if (many_) {
      make_rows<Scalar>();
      place_ = Place::rows;
    } else if (batch_size == 1 && SmallSteps<Scalar>::fits(*layer_, head_.get())) {
      small_.emplace<SmallSteps<Scalar>>(*layer_);
      place_ = Place::small;
    } else {
      stream();
    }
  });
}

StreamHandle::~StreamHandle() {
  if (stream_ == nullptr) return;
  with_scalar(layer_->is_double(), [&](auto scalar) {
    tables<decltype(scalar)>(layer_->table()).recurrent->stream_free(stream_);
  });
}

Stream* StreamHandle::stream() {
  with_scalar(layer_->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto& table = *tables<Scalar>(layer_->table()).recurrent;
    if (stream_ == nullptr) stream_ = table.stream_create(weights_->packed, batch_size_);
    if (stream_ == nullptr) require_ok(Status::out_of_memory);
    const auto take = [&](auto& state) { table.stream_set(stream_, state.h(), state.c()); };
    if (place_ == Place::rows) take(std::get<RowStates<Scalar>>(rows_));
    if (place_ == Place::small) take(std::get<SmallSteps<Scalar>>(small_));
    place_ = Place::stream;
  });
  return stream_;
}

template <class Scalar>
void StreamHandle::make_rows() {
  const StackShape& shape = layer_->shape();
  try {
    rows_.emplace<RowStates<Scalar>>(shape, batch_size_);
  } catch (const std::bad_alloc&) {
    rows_.emplace<std::monostate>();
    throw_memory_error(
        "batch_size: a stream of " + std::to_string(batch_size_) + " sequences needs " +
        text_of_bytes(bytes_of({batch_size_, shape.L, shape.P + shape.memory()}, sizeof(Scalar))) +
        ", more than there is");
  }
}

template <class Scalar>
RowStates<Scalar>& StreamHandle::by_rows() {
  if (rows_.index() == 0) make_rows<Scalar>();
  auto& states = std::get<RowStates<Scalar>>(rows_);
  if (place_ != Place::rows) read_state(states.h(), states.c());
  place_ = Place::rows;
  return states;
}

template <class Scalar>
SmallSteps<Scalar>& StreamHandle::small() {
  auto& state = std::get<SmallSteps<Scalar>>(small_);
  if (place_ != Place::small) read_state(state.h(), state.c());
  place_ = Place::small;
  return state;
}

template <class Scalar>
void StreamHandle::read_state(Scalar* h, Scalar* c) const {
  if (place_ == Place::stream)
    return tables<Scalar>(layer_->table()).recurrent->stream_get(stream_, h, c);
  const StackShape& shape = layer_->shape();
  const auto copy = [&](const auto& state) {
    std::copy_n(state.h(), shape.L * batch_size_ * shape.P, h);
    if (shape.cell->has_memory()) std::copy_n(state.c(), shape.L * batch_size_ * shape.memory(), c);
  };
  if (place_ == Place::rows) copy(std::get<RowStates<Scalar>>(rows_));
  if (place_ == Place::small) copy(std::get<SmallSteps<Scalar>>(small_));
}

void StreamHandle::get_ready() {
  if (small_.index() == 0) {
    stream();
    return;
  }
  with_scalar(layer_->is_double(),
              [&](auto scalar) { small<decltype(scalar)>().refresh(*layer_, head_); });
}

template <class Scalar>
Status StreamHandle::apply_head(const Linear::Forward<Scalar>& forward, std::int64_t rows,
                                const Scalar* h, Scalar* y) const {
  const std::int64_t P = layer_->shape().P;
  return forward.table->forward({rows, P, O_}, {h, P}, forward.packed->template data<Scalar>(),
                                head_->bias<Scalar>(), {y, O_},
                                rows * P * O_ < kSharedHead ? 1 : thread_count());
}

template <class Scalar>
void StreamHandle::step_all(const Scalar* x, const std::int64_t* indices, Scalar* y) {
  Stream* const own = stream();
  const PackedWeights& now = weights();
  const auto forward = head_ != nullptr ? head_->forward<Scalar>() : Linear::Forward<Scalar>{};
  Scalar* const h = head_ != nullptr ? numbers_of<Scalar>(hidden_) : y;
  // Steps take microseconds: releasing the GIL would cost more than it frees.
  tables<Scalar>(*now.table)
      .recurrent->stream_step(own, now.packed, x, indices, h, may_share_ ? thread_count() : 1);
  if (head_ != nullptr) require_ok(apply_head(forward, batch_size_, h, y));
}

template <class Scalar>
void StreamHandle::advance(const StepInput<Scalar>& in, Scalar* y) {
  const Lock lock(*this);
  if (small_.index() == 0) return step_all(in.values, in.indices, y);
  get_ready();
  auto& own = small<Scalar>();
  if (in.values != nullptr)
    own.run(1, in.values, y);
  else
    own.step(*in.indices, y);
}

template <class Scalar>
py::array StreamHandle::target(const py::object& out, std::int64_t n, bool flat) {
  if (!out.is_none()) return flat ? target_of<Scalar>(out, {O_}) : target_of<Scalar>(out, {n, O_});
  if (flat) return output_flat_;
  if (n == batch_size_) return output_;
  return py::array(py::dtype::of<Scalar>(), {n, O_}, output_.data(), output_);
}

template <class Scalar>
py::object StreamHandle::typed_step(const py::handle& x, const py::object& out) {
  if (many_) return typed_pass<Scalar>(x, nullptr, batch_size_, out);
  StepInput<Scalar> in;
  read_step(x, batch_size_, layer_->shape().I, indices_, in);
  py::array target = this->target<Scalar>(out, batch_size_, in.flat);
  advance(in, numbers_of<Scalar>(target));
  return std::move(target);
}

template <class Scalar>
py::object StreamHandle::typed_pass(const py::handle& x, const std::int64_t* rows, std::int64_t n,
                                    const py::object& out) {
  StepInput<Scalar> in;
  std::vector<std::int64_t> indices;
  read_step(x, n, layer_->shape().I, indices, in);
  py::array target = this->target<Scalar>(out, n, in.flat);
  if (n == 0) return std::move(target);
  Scalar* const y = numbers_of<Scalar>(target);
  set_apart(in, y, target.size());
  const Lock lock(*this);  // others may have run it while x was copied
  RowStates<Scalar>& states = by_rows<Scalar>();
  weights();
  const std::shared_ptr<const PackedWeights> now = weights_;
  const auto forward = head_ != nullptr ? head_->forward<Scalar>() : Linear::Forward<Scalar>{};
  Scalar* const h = head_ != nullptr ? numbers_of<Scalar>(hidden_) : y;
  const bool is_long = n * products_ >= kLong;
  const int threads = is_long ? thread_count() : 1;
  if (!states.reserve(*now, n, threads)) require_ok(Status::out_of_memory);
  const auto pass = [&] {
    const Status status = states.step(*now, in.values, in.indices, rows, n, h, threads);
    return status == Status::ok && head_ != nullptr ? apply_head(forward, n, h, y) : status;
  };
  Status status;
  if (is_long) {
    const Held written(target);
    const Held read =
        in.values == nullptr ? Held() : Held(py::reinterpret_borrow<py::array>(in.held));
    const Released release;
    status = pass();
  } else {
    status = pass();
  }
  if (status == Status::not_finite) throw_not_finite("x");  // another thread wrote to it
  require_ok(status);
  return std::move(target);
}

py::object StreamHandle::step(const py::handle& x, const py::object& out) {
  require_idle();
  return layer_->is_double() ? typed_step<double>(x, out) : typed_step<float>(x, out);
}

py::object StreamHandle::step_rows(const py::handle& x, const py::handle& rows,
                                   const py::object& out) {
  require_idle();
  const std::vector<std::int64_t> chosen = read_rows(rows, batch_size_);
  const auto n = static_cast<std::int64_t>(chosen.size());
  return layer_->is_double() ? typed_pass<double>(x, chosen.data(), n, out)
                             : typed_pass<float>(x, chosen.data(), n, out);
}

void StreamHandle::reset_rows(const py::handle& rows) {
  const std::vector<std::int64_t> chosen = read_rows(rows, batch_size_);
  require_idle();
  with_scalar(layer_->is_double(), [&](auto scalar) { by_rows<decltype(scalar)>().clear(chosen); });
}

StreamsHandle::StreamsHandle(std::vector<std::shared_ptr<StreamHandle>> streams)
    : streams_(std::move(streams)) {
  std::vector<std::shared_ptr<Recurrent>> networks;
  networks.reserve(streams_.size());
  for (const auto& stream : streams_) networks.push_back(stream->layer_);
  require_alike(networks);
  const std::int64_t N = count(), B = streams_.front()->batch_size_, O = streams_.front()->O_;
  for (const auto& stream : streams_)
    if (stream->batch_size_ != B)
      throw py::value_error("streams: expected all of one batch size, got others");
  require_memory("batch_size: streams of " + std::to_string(B) + " sequences",
                 bytes_of({N, B, O}, networks.front()->is_double() ? 8 : 4));
  with_scalar(networks.front()->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    output_ = new_array<Scalar>({N, B, O});
    output_flat_ = py::array(py::dtype::of<Scalar>(), {N, O}, output_.data(), output_);
  });
}

template <class Scalar>
py::object StreamsHandle::typed_step(const py::handle& x, const py::object& out) {
  const StreamHandle& first = *streams_.front();
  const std::int64_t N = count(), B = first.batch_size_, O = first.O_;
  // All are read before the first one takes its step.
  bool shared = true;
  if (py::isinstance<py::array>(x)) {
    const auto array = py::reinterpret_borrow<py::array>(x);
    const char kind = array.dtype().kind();
    shared = array.ndim() != (kind == 'i' || kind == 'u' ? 2 : 3);
    if (!shared && array.shape(0) != N)
      throw py::value_error("x: expected " + std::to_string(N) +
                            " on the first axis, one for each network, got shape " +
                            text_of(shape_of(array)));
  }
  std::vector<StepInput<Scalar>> in(shared ? 1 : N);
  for (std::int64_t n = 0; n < static_cast<std::int64_t>(in.size()); ++n) {
    const py::object own = shared ? py::reinterpret_borrow<py::object>(x)
                                  : py::object(py::reinterpret_borrow<py::object>(x)[py::int_(n)]);
    read_step(own, B, first.layer_->shape().I, streams_[n]->indices_, in[n]);
  }
  for (const auto& stream : streams_) {
    stream->require_idle();
    stream->get_ready();
  }
  const bool flat = in.front().flat;
  py::array target = flat ? output_flat_ : output_;
  if (!out.is_none())
    target = flat ? target_of<Scalar>(out, {N, O}) : target_of<Scalar>(out, {N, B, O});
  auto* const y = numbers_of<Scalar>(target);
  for (std::int64_t n = 0; n < N; ++n) streams_[n]->advance(in[shared ? 0 : n], y + n * B * O);
  return std::move(target);
}

py::object StreamsHandle::step(const py::handle& x, const py::object& out) {
  for (const auto& stream : streams_) stream->require_idle();
  return streams_.front()->layer_->is_double() ? typed_step<double>(x, out)
                                               : typed_step<float>(x, out);
}

py::tuple StreamHandle::state() {
  require_idle();
  const StackShape& shape = layer_->shape();
  return with_scalar(layer_->is_double(), [&](auto scalar) -> py::tuple {
    using Scalar = decltype(scalar);
    auto h = new_array<Scalar>({shape.L, batch_size_, shape.P});
    auto c =
        new_array<Scalar>({shape.cell->has_memory() ? shape.L : 0, batch_size_, shape.memory()});
    read_state(h.mutable_data(), c.mutable_data());
    return py::make_tuple(h, c);
  });
}

void StreamHandle::set_state(const py::object& h, const py::object& c) {
  const StackShape& shape = layer_->shape();
  with_scalar(layer_->is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    Held held[2];
    const Scalar* data[2] = {nullptr, nullptr};
    const py::object* given[2] = {&h, &c};
    const char* names[2] = {"h", "c"};
    for (int i = 0; i < 2; ++i) {
      const std::int64_t width = i == 0 ? shape.P : shape.memory();
      data[i] = optional_data<Scalar>(names[i], *given[i], {shape.L, batch_size_, width}, held[i]);
      if (data[i] != nullptr && !all_finite(data[i], held[i]->size())) throw_not_finite(names[i]);
    }
    if (busy_in_ == fork_generation()) require_idle();  // another may run it since a copy
    if (place_ == Place::rows)
      std::get<RowStates<Scalar>>(rows_).set(data[0], data[1]);
    else if (place_ == Place::small)
      std::get<SmallSteps<Scalar>>(small_).set(data[0], data[1]);
    else
      tables<Scalar>(layer_->table()).recurrent->stream_set(stream_, data[0], data[1]);
    busy_in_ = -1;  // whatever a thread was doing when the process forked
  });
}

// For quick_calls.cpp.
template SmallSteps<float>& StreamHandle::small();
template SmallSteps<double>& StreamHandle::small();
template void StreamHandle::step_all(const float*, const std::int64_t*, float*);
template void StreamHandle::step_all(const double*, const std::int64_t*, double*);

void bind_stream(py::module_& m) {
  m.def(
      "read_rows",
      [](const py::handle& rows, std::int64_t batch_size) {
        const std::vector<std::int64_t> chosen = read_rows(rows, batch_size);
        auto array = new_array<std::int64_t>({static_cast<std::int64_t>(chosen.size())});
        std::copy(chosen.begin(), chosen.end(), array.mutable_data());
        return array;
      },
      py::arg("rows"), py::arg("batch_size"));
  m.def(
      "require_output",
      [](const py::object& out, const std::vector<std::int64_t>& shape, bool is_double) {
        with_scalar(is_double, [&](auto scalar) { target_of<decltype(scalar)>(out, shape); });
      },
      py::arg("out"), py::arg("shape"), py::arg("is_double"));
  py::class_<StreamHandle, std::shared_ptr<StreamHandle>>(m, "Stream")
      .def(py::init<std::shared_ptr<Recurrent>, std::int64_t, std::shared_ptr<Linear>>(),
           py::arg("layer"), py::arg("batch_size"), py::arg("head") = py::none())
      .def("step", &StreamHandle::step, py::arg("x"), py::arg("out") = py::none())
      .def("step_rows", &StreamHandle::step_rows, py::arg("x"), py::arg("rows"),
           py::arg("out") = py::none())
      .def("reset_rows", &StreamHandle::reset_rows, py::arg("rows"))
      .def("state", &StreamHandle::state)
      .def("set_state", &StreamHandle::set_state, py::arg("h"), py::arg("c"))
      .def_property_readonly("batch_size", &StreamHandle::batch_size);
  py::class_<StreamsHandle>(m, "Streams")
      .def(py::init<std::vector<std::shared_ptr<StreamHandle>>>(), py::arg("streams"))
      .def("step", &StreamsHandle::step, py::arg("x"), py::arg("out") = py::none());
  bind_quick_calls(m);
}

}  // namespace rnnfast
