#include "bindings/linear.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <new>
#include <vector>

#include "bindings/losses.h"
#include "bindings/reduced.h"
#include "bindings/unlocked.h"

namespace rnnfast {

Linear::Linear(std::int64_t in_features, std::int64_t out_features,
               std::shared_ptr<ParameterBuffer> parameters, std::int64_t weight, std::int64_t bias,
               const std::string& numbers)
    : table_(&kernels()),
      I_(in_features),
      O_(out_features),
      parameters_(std::move(parameters)),
      weight_(weight),
      bias_(bias),
      numbers_(numbers) {
  const std::int64_t size = parameters_->size();
  if (I_ < 1 || O_ < 1 || weight_ < 0 || I_ > size / O_ || weight_ > size - I_ * O_ ||
      bias_ > size - O_)
    throw py::value_error("weight: expected offsets within the buffer of " + std::to_string(size));
  const FewerBits* const kept = parameters_->kept();
  if (kept != nullptr && bias_ >= 0 && !kept->has_others(bias_, O_))
    throw py::value_error("bias: expected numbers of no matrix in fewer bits");
  if (numbers_ == "float32") return;
  reduced_ = &reduced_numbers(numbers_, is_double()).linear;
  require_columns("in_features", I_);
}

void Linear::require_training() const {
  if (is_reduced())
    throw py::value_error("numbers: expected float32 for backpropagation, got " +
                          (reduced_ != nullptr ? numbers_ : std::string("fewer bits")) +
                          ", which is for inference alone");
}

template <class Scalar>
void Linear::pack(const LinearTable<Scalar>& table, std::shared_ptr<PackedLinear>& packed) {
  if (packed && packed->version == parameters_->version()) return;
  // In place only if no call still reads the old one.
  if (!packed || packed.use_count() > 1) {
    const std::int64_t bytes =
        table.packed_size(I_, O_) * static_cast<std::int64_t>(sizeof(Scalar));
    auto fresh = std::make_shared<PackedLinear>();
    fresh->memory.reset(aligned_allocate(64, static_cast<std::size_t>(bytes)));
    if (!fresh->memory) throw std::bad_alloc();
    packed = fresh;
  }
  packed->version = -1;
  table.pack(I_, O_, weight<Scalar>().data(), static_cast<Scalar*>(packed->memory.get()),
             thread_count());
  packed->version = parameters_->version();
}

std::shared_ptr<const PackedLinear> Linear::packed() {
  with_scalar(is_double(), [&](auto scalar) {
    pack<decltype(scalar)>(*tables<decltype(scalar)>(*table_).linear, packed_);
  });
  return packed_;
}

template <>
Linear::Forward<double> Linear::forward<double>() {
  return {packed(), table_->f64.linear};
}
template <>
Linear::Forward<float> Linear::forward<float>() {
  if (reduced_ == nullptr) return {packed(), table_->f32.linear};
  pack<float>(*reduced_, packed_reduced_);
  return {packed_reduced_, reduced_};
}

template <class Scalar>
double Linear::largest_score(double largest_input) {
  const std::int64_t version = parameters_->version();
  if (measured_version_ != version) {
    const auto& table = *tables<Scalar>(*table_).elements;
    const int threads = thread_count();
    largest_weight_ = table.largest(O_, I_, {weight<Scalar>().data(), I_}, threads);
    largest_bias_ = bias_ < 0 ? 0 : table.largest(1, O_, {bias<Scalar>(), O_}, threads);
    measured_version_ = version;
  }
  return static_cast<double>(I_) * largest_weight_ * largest_input + largest_bias_;
}
template double Linear::largest_score<float>(double);
template double Linear::largest_score<double>(double);

template <class Scalar>
double loss_of_scores(Linear& linear, std::int64_t R, Matrix<const Scalar> h,
                      const Targets<Scalar>& targets) {
  constexpr std::int64_t at_once = 96;  // rows whose scores are in memory
  const std::int64_t I = linear.in_features(), O = linear.out_features();
  const auto own = linear.forward<Scalar>();
  const auto& losses = *tables<Scalar>(linear.table()).losses;
  const Scalar* const bias = linear.bias<Scalar>();
  const int threads = thread_count();
  double loss = 0;
  Status status = Status::ok;
  {
    const Released release;
    std::vector<Scalar> scores(static_cast<std::size_t>(std::min(R, at_once) * O));
    for (std::int64_t r = 0; r < R && status == Status::ok; r += at_once) {
      const std::int64_t rows = std::min(at_once, R - r);
      status = own.table->forward({rows, I, O}, {h.data + r * h.stride, h.stride},
                                  own.packed->template data<Scalar>(), bias, {scores.data(), O},
                                  threads);
      if (status != Status::ok) break;
      Targets<Scalar> part = targets;
      part.classes += r;
      if (part.row_weights != nullptr) part.row_weights += r;
      double sum = 0;
      status = losses.cross_entropy(rows, O, {scores.data(), O}, part, &sum, nullptr, threads);
      loss += sum;
    }
  }
  require_ok(status);
  return loss;
}
template double loss_of_scores<float>(Linear&, std::int64_t, Matrix<const float>,
                                      const Targets<float>&);
template double loss_of_scores<double>(Linear&, std::int64_t, Matrix<const double>,
                                       const Targets<double>&);

namespace {

template <class Scalar>
py::array forward(Linear& self, const py::array& given) {
  const RowArray<Scalar> x("x", given, self.in_features());
  const LinearShape shape = {x.R, self.in_features(), self.out_features()};
  const auto own = self.forward<Scalar>();
  auto y = new_array<Scalar>({x.R, shape.O});
  Scalar* const to = y.mutable_data();
  const auto& all = tables<Scalar>(self.table());
  const int threads = thread_count();
  Status status;
  {
    const Unlocked others(x.R, shape.I, shape.O);
    x.require_finite("x", *all.elements, threads);
    status = own.table->forward(shape, x.matrix, own.packed->template data<Scalar>(),
                                self.bias<Scalar>(), {to, shape.O}, threads);
  }
  require_ok(status);
  return std::move(y);
}

template <class Scalar>
py::object backward(Linear& self, const py::array& dy_given, const py::array& x_given,
                    bool need_dx) {
  self.require_training();
  const RowArray<Scalar> dy("dy", dy_given, self.out_features()),
      x("x", x_given, self.in_features());
  if (dy.R != x.R) require_shape("dy", *dy.held, {x.R, self.out_features()});
  const LinearShape shape = {x.R, self.in_features(), self.out_features()};
  const auto weight = self.weight<Scalar>();
  LinearGradients<Scalar> g = {};
  g.dy = dy.matrix;
  g.x = x.matrix;
  g.weight = weight.data();
  g.dweight = self.dweight<Scalar>();
  g.dbias = self.dbias<Scalar>();
  py::object dx = py::none();
  if (need_dx) {
    auto array = new_array<Scalar>({x.R, shape.I});
    g.dx = {array.mutable_data(), shape.I};
    dx = array;
  }
  const auto& table = *tables<Scalar>(self.table()).linear;
  const int threads = thread_count();
  Status status;
  {
    const Released release;
    const std::scoped_lock lock(self.gradient_mutex());
    status = table.backward(shape, g, threads);
  }
  require_ok(status);
  return dx;
}

// The sum of the losses, and the gradient of h or None. Adds to the layer's gradients.
template <class Scalar>
py::tuple cross_entropy(Linear& self, const py::array& h_given, const TargetArrays& targets,
                        bool backward, bool rounded) {
  if (backward) self.require_training();
  const RowArray<Scalar> h("h", h_given, self.in_features());
  const CheckedTargets<Scalar> checked(targets, h.R, self.out_features());
  if (self.is_reduced()) {
    h.require_finite("h", *tables<Scalar>(self.table()).elements, thread_count());
    return py::make_tuple(loss_of_scores(self, h.R, h.matrix, checked.targets), py::none());
  }
  const auto weight = self.weight<Scalar>();
  LinearCrossEntropy<Scalar> problem = {};
  problem.shape = {h.R, self.in_features(), self.out_features()};
  problem.h = h.matrix;
  problem.weight = weight.data();
  problem.bias = self.bias<Scalar>();
  problem.targets = checked.targets;
  py::object dh = py::none();
  if (backward) {
    auto array = new_array<Scalar>({h.R, problem.shape.I});
    problem.dh = {array.mutable_data(), problem.shape.I};
    problem.dweight = self.dweight<Scalar>();
    problem.dbias = self.dbias<Scalar>();
    dh = array;
  }
  const auto& all = tables<Scalar>(self.table());
  const int threads = thread_count();
  double loss = 0;
  Status status = Status::ok;
  const auto run = [&](bool gradients) {
    const Released release;
    std::unique_lock lock(self.gradient_mutex(), std::defer_lock);
    if (gradients) lock.lock();
    problem.backward = gradients;
    status = all.losses->linear_cross_entropy(problem, &loss, threads);
  };
  double largest;
  {
    const Released release;
    largest = all.elements->largest(h.R, problem.shape.I, h.matrix, threads);
  }
  if (std::isnan(largest)) throw_not_finite("h");
  // What would round to infinity, and what is none, is left to float32.
  constexpr double kLargestRounded = 3.38e38;
  if (rounded && largest < kLargestRounded && self.largest_score<Scalar>(1) < kLargestRounded)
    problem.product = bfloat16_product();
  // Where the loss may be NaN it is looked at before gradients are touched.
  if (backward && may_overflow<Scalar>(self.largest_score<Scalar>(largest))) {
    run(false);
    if (status == Status::ok && !std::isfinite(loss)) return py::make_tuple(loss, py::none());
  }
  if (status == Status::ok) run(backward);
  require_ok(status);
  return py::make_tuple(loss, dh);
}

}  // namespace

void bind_linear(py::module_& m) {
  py::class_<Linear, std::shared_ptr<Linear>>(m, "Linear")
      .def(py::init<std::int64_t, std::int64_t, std::shared_ptr<ParameterBuffer>, std::int64_t,
                    std::int64_t, const std::string&>(),
           py::arg("in_features"), py::arg("out_features"), py::arg("buffer"), py::arg("weight"),
           py::arg("bias"), py::arg("numbers") = "float32")
      .def_property_readonly("numbers", &Linear::numbers)
      .def(
          "forward",
          [](Linear& self, const py::array& x) {
            return with_scalar(self.is_double(),
                               [&](auto scalar) { return forward<decltype(scalar)>(self, x); });
          },
          py::arg("x"))
      .def(
          "backward",
          [](Linear& self, const py::array& dy, const py::array& x, bool need_dx) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return backward<decltype(scalar)>(self, dy, x, need_dx);
            });
          },
          py::arg("dy"), py::arg("x"), py::arg("need_dx"))
      .def(
          "cross_entropy",
          [](Linear& self, const py::array& h, const TargetArrays& targets, bool backward,
             bool rounded) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return cross_entropy<decltype(scalar)>(self, h, targets, backward, rounded);
            });
          },
          py::arg("h"), py::arg("targets"), py::arg("backward"), py::arg("rounded") = false);
}

}  // namespace rnnfast
