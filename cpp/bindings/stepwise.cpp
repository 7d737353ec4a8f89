#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/parameters.h"

namespace rnnfast {

namespace {

// Places of the parameters in the flat buffer, in the order of StepwiseParameters; -1: none.
using StepwiseOffsets = std::array<std::int64_t, 7>;

// One layer in one direction that goes step by step.
class Stepwise {
 public:
  Stepwise(bool lstm, bool normalised, std::int64_t hidden_size,
           std::shared_ptr<ParameterBuffer> parameters, const StepwiseOffsets& offsets)
      : table_(&kernels()),
        lstm_(lstm),
        normalised_(normalised),
        H_(hidden_size),
        parameters_(std::move(parameters)),
        offsets_(offsets) {
    if (offsets_[0] < 0 || (normalised_ && (offsets_[3] < 0 || offsets_[4] < 0)) ||
        (normalised_ && lstm_ && (offsets_[5] < 0 || offsets_[6] < 0)))
      throw py::value_error("offsets: expected a place for each parameter of the cell");
    const std::int64_t wide = (lstm_ ? 4 : 3) * H_;
    const std::int64_t sizes[] = {wide * H_, wide, wide, wide, wide, H_, H_};
    for (int i = 0; i < 7; ++i)
      if (H_ < 1 || H_ > parameters_->size() || offsets_[i] > parameters_->size() - sizes[i])
        throw py::value_error("offsets: expected places within the buffer of " +
                              std::to_string(parameters_->size()));
  }

  bool is_double() const { return parameters_->is_double(); }
  bool lstm() const { return lstm_; }
  const KernelTable& table() const { return *table_; }
  Mutex& gradient_mutex() { return parameters_->gradient_mutex(); }
  StepwiseShape shape(std::int64_t T, std::int64_t B) const {
    return {lstm_, normalised_, T, B, H_};
  }

  template <class Scalar>
  StepwiseParameters<const Scalar*> values() const {
    return places<const Scalar*>(parameters_->values<Scalar>());
  }
  template <class Scalar>
  StepwiseParameters<Scalar*> gradients() const {
    return places<Scalar*>(parameters_->grads<Scalar>());
  }

 private:
  template <class Pointer>
  StepwiseParameters<Pointer> places(Pointer base) const {
    const auto at = [&](int i) { return offsets_[i] < 0 ? nullptr : base + offsets_[i]; };
    return {at(0), at(1), at(2), at(3), at(4), at(5), at(6)};
  }

  const KernelTable* table_;
  bool lstm_, normalised_;
  std::int64_t H_;
  std::shared_ptr<ParameterBuffer> parameters_;
  StepwiseOffsets offsets_;
};

// The data of a contiguous array of this dtype and shape; null for an absent name.
template <class Scalar>
Scalar* kept_data(const py::dict& kept, const char* name, const std::vector<std::int64_t>& shape) {
  if (!kept.contains(name)) return nullptr;
  const auto array = py::cast<py::array>(kept[name]);
  require_dtype<Scalar>(name, array);
  require_shape(name, array, shape);
  if (!(array.flags() & py::array::c_style) || !is_aligned(array))
    throw py::value_error(std::string(name) + ": expected a C-contiguous array, got another");
  return static_cast<Scalar*>(const_cast<void*>(array.data()));
}

// How many rows take each step: a copy, checked.
std::vector<std::int64_t> active_rows(const py::dict& kept, const StepwiseShape& s) {
  const auto* const given = kept_data<std::int64_t>(kept, "active", {s.T});
  if (given == nullptr) throw py::value_error("active: expected an array, got none");
  std::vector<std::int64_t> rows(given, given + s.T);
  std::int64_t before = s.B;
  for (const std::int64_t now : rows) {
    if (now < 0 || now > before)
      throw py::value_error("active: expected falling numbers from " + std::to_string(s.B) +
                            " to 0, got " + std::to_string(now));
    before = now;
  }
  return rows;
}

// A pass over the arrays of `kept`; T and B are those of x.
template <class Scalar>
StepwisePass<Scalar> pass_of(const py::dict& kept, const std::vector<std::int64_t>& active,
                             const StepwiseShape& s, Scalar rate_h, Scalar rate_c) {
  const std::vector<std::int64_t> wide = {s.T, s.B, s.gates()}, narrow = {s.T, s.B, s.H},
                                  states = {s.T + 1, s.B, s.H}, scales = {s.T, s.B, 2};
  StepwisePass<Scalar> p = {};
  p.active = active.data();
  p.keep_h = kept_data<Scalar>(kept, "keep_h", narrow);
  p.keep_c = kept_data<Scalar>(kept, "keep_c", narrow);
  p.drop = kept_data<Scalar>(kept, "drop", narrow);
  p.rate_h = rate_h;
  p.rate_c = rate_c;
  p.x = kept_data<Scalar>(kept, "x", wide);
  p.u = kept_data<Scalar>(kept, "u", wide);
  p.x_scale = kept_data<Scalar>(kept, "x_scale", scales);
  p.u_scale = kept_data<Scalar>(kept, "u_scale", scales);
  p.gates = kept_data<Scalar>(kept, "gates", wide);
  p.h = kept_data<Scalar>(kept, "h", states);
  p.c = kept_data<Scalar>(kept, "c", states);
  p.cell = kept_data<Scalar>(kept, "cell", narrow);
  p.squashed = kept_data<Scalar>(kept, "squashed", narrow);
  p.c_scale = kept_data<Scalar>(kept, "c_scale", {s.T, s.B});
  return p;
}

StepwiseShape shape_of_kept(const Stepwise& self, const py::dict& kept) {
  const auto x = py::cast<py::array>(kept["x"]);
  if (x.ndim() != 3) throw py::value_error("x: expected 3 axes, got " + text_of(shape_of(x)));
  return self.shape(x.shape(0), x.shape(1));
}

// Fills `kept`, which holds x W_ih^T as x, the initial states in front of h and c, active, and
// the masks.
template <class Scalar>
void forward(Stepwise& self, py::dict& kept, double rate_h, double rate_c) {
  const StepwiseShape shape = shape_of_kept(self, kept);
  kept["u"] = new_array<Scalar>({shape.T, shape.B, shape.gates()});
  kept["gates"] = new_array<Scalar>({shape.T, shape.B, shape.gates()});
  kept["x_scale"] = new_array<Scalar>({shape.T, shape.B, 2});
  kept["u_scale"] = new_array<Scalar>({shape.T, shape.B, 2});
  if (self.lstm()) {
    kept["cell"] = new_array<Scalar>({shape.T, shape.B, shape.H});
    kept["squashed"] = new_array<Scalar>({shape.T, shape.B, shape.H});
    kept["c_scale"] = new_array<Scalar>({shape.T, shape.B});
  }
  const auto active = active_rows(kept, shape);
  const auto pass =
      pass_of(kept, active, shape, static_cast<Scalar>(rate_h), static_cast<Scalar>(rate_c));
  const auto parameters = self.values<Scalar>();
  const int threads = thread_count();
  Status status;
  {
    const py::gil_scoped_release release;
    status = tables<Scalar>(self.table()).stepwise->forward(shape, parameters, pass, threads);
  }
  require_ok(status);
}

// Returns the gradients of x W_ih^T and of h<t-1> W_hh^T; dh (B, H) and dc of the final state
// become those of the initial one.
template <class Scalar>
py::tuple backward(Stepwise& self, const py::dict& kept, double rate_h, double rate_c,
                   const py::dict& gradients) {
  const StepwiseShape shape = shape_of_kept(self, kept);
  const auto active = active_rows(kept, shape);
  const auto pass =
      pass_of(kept, active, shape, static_cast<Scalar>(rate_h), static_cast<Scalar>(rate_c));
  const std::int64_t T = shape.T, B = shape.B, H = shape.H;
  auto dx = new_array<Scalar>({T, B, shape.gates()});
  auto du = new_array<Scalar>({T, B, shape.gates()});
  const auto bytes = static_cast<std::size_t>(dx.nbytes());
  std::memset(dx.mutable_data(), 0, bytes);
  std::memset(du.mutable_data(), 0, bytes);
  StepwiseGradients<Scalar> g = {};
  g.dy = kept_data<Scalar>(gradients, "dy", {T, B, H});
  g.dh = kept_data<Scalar>(gradients, "dh", {B, H});
  g.dc = kept_data<Scalar>(gradients, "dc", {B, H});
  g.dx = dx.mutable_data();
  g.du = du.mutable_data();
  g.parameters = self.gradients<Scalar>();
  const auto parameters = self.values<Scalar>();
  const int threads = thread_count();
  Status status;
  {
    const py::gil_scoped_release release;
    // Two threads may share a layer: its gradients are added to one pass at a time.
    const std::lock_guard lock(self.gradient_mutex());
    status = tables<Scalar>(self.table()).stepwise->backward(shape, parameters, pass, g, threads);
  }
  require_ok(status);
  return py::make_tuple(dx, du);
}

}  // namespace

void bind_stepwise(py::module_& m) {
  py::class_<Stepwise>(m, "Stepwise")
      .def(py::init([](bool lstm, bool normalised, std::int64_t hidden_size,
                       std::shared_ptr<ParameterBuffer> buffer, const StepwiseOffsets& offsets) {
             return std::make_unique<Stepwise>(lstm, normalised, hidden_size, std::move(buffer),
                                               offsets);
           }),
           py::kw_only(), py::arg("lstm"), py::arg("normalised"), py::arg("hidden_size"),
           py::arg("buffer"), py::arg("offsets"))
      .def(
          "forward",
          [](Stepwise& self, py::dict kept, double rate_h, double rate_c) {
            with_scalar(self.is_double(), [&](auto scalar) {
              forward<decltype(scalar)>(self, kept, rate_h, rate_c);
            });
          },
          py::arg("kept"), py::arg("rate_h"), py::arg("rate_c"))
      .def(
          "backward",
          [](Stepwise& self, const py::dict& kept, double rate_h, double rate_c,
             const py::dict& gradients) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return backward<decltype(scalar)>(self, kept, rate_h, rate_c, gradients);
            });
          },
          py::arg("kept"), py::arg("rate_h"), py::arg("rate_c"), py::arg("gradients"));
}

}  // namespace rnnfast
