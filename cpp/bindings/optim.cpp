#include <mutex>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/module.h"
#include "bindings/packed_copies.h"

namespace rnnfast {

namespace {

// A part of a flat buffer: what one call works on. A buffer that keeps gradients by row is taken
// as a whole.
template <class Scalar>
struct Part {
  ParameterBuffer& buffer;
  std::int64_t begin, end;
  Scalar* values;

  Part(ParameterBuffer& all, std::int64_t first, std::int64_t last)
      : buffer(all), begin(first), end(last) {
    const bool whole = buffer.row_grads() == nullptr || (begin == 0 && end == buffer.size());
    if (begin < 0 || begin > end || end > buffer.size() || !whole)
      throw py::value_error("end: expected 0 <= begin <= end <= " + std::to_string(buffer.size()) +
                            (whole ? "" : " and all of it") + ", got " + std::to_string(begin) +
                            " and " + std::to_string(end));
    values = buffer.values<Scalar>() + begin;
  }

  // What the optimizer remembers: an array for the values that it may write; null for None.
  Scalar* memory(const char* name, const py::object& given) const {
    if (given.is_none()) return nullptr;
    auto array = py::cast<py::array>(given);
    require_dtype<Scalar>(name, array, false);
    require_shape(name, array, {end - begin});
    if (!(array.flags() & py::array::c_style) || !is_aligned(array) || !array.writeable())
      throw py::value_error(std::string(name) + ": expected a writeable contiguous array");
    return static_cast<Scalar*>(array.mutable_data());
  }

  // Calls f(kernels, touched, gradients, threads) without the GIL.
  template <class F>
  void run(const F& f) const {
    run(Touched<Scalar>{end - begin}, f);
  }

  // The same where f changes the values, and the packed copies that networks have of them with it.
  template <class F>
  void change(const F& f) const {
    PackedCopies<Scalar> copies(buffer, begin, end);
    run(copies.touched(), f);
    buffer.changed();
  }

 private:
  template <class F>
  void run(const Touched<Scalar>& all, const F& f) const {
    const auto& table = *tables<Scalar>(kernels()).optimizers;
    const int threads = thread_count();
    const WithoutGil release;
    const std::scoped_lock lock(buffer.gradient_mutex());
    RowGradients* const by_row = buffer.row_grads();
    if (by_row == nullptr) return f(table, all, buffer.grads<Scalar>() + begin, threads);
    f(table, Touched<Scalar>{by_row->size(), by_row->rows().data(), by_row->width()},
      by_row->data<Scalar>(), threads);
  }
};

// Calls f with the part [begin, end) of a buffer.
template <class F>
void with_part(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, const F& f) {
  with_scalar(buffer.is_double(),
              [&](auto scalar) { f(Part<decltype(scalar)>(buffer, begin, end)); });
}

void sgd(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, const py::object& momentum,
         double lr, double mu, double dampening, double weight_decay, bool nesterov, bool first) {
  const SgdStep step = {lr, mu, dampening, weight_decay, nesterov, first};
  with_part(buffer, begin, end, [&](const auto& part) {
    auto* const b = part.memory("momentum_buffer", momentum);
    part.change([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.sgd(touched, part.values, grads, b, step, threads);
    });
  });
}

void adam(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, const py::object& mean,
          const py::object& square, double lr, double beta1, double beta2, double eps,
          double weight_decay, bool decoupled, std::int64_t number) {
  const AdamStep step = {lr, beta1, beta2, eps, weight_decay, decoupled, number};
  with_part(buffer, begin, end, [&](const auto& part) {
    auto *const m = part.memory("exp_avg", mean), *const v = part.memory("exp_avg_sq", square);
    part.change([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.adam(touched, part.values, grads, m, v, step, threads);
    });
  });
}

void rmsprop(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end,
             const py::object& square, const py::object& mean, const py::object& momentum,
             double lr, double alpha, double eps, double weight_decay, double mu) {
  const RmspropStep step = {lr, alpha, eps, weight_decay, mu};
  with_part(buffer, begin, end, [&](const auto& part) {
    auto* const v = part.memory("square_avg", square);
    auto* const m = part.memory("grad_avg", mean);
    auto* const b = part.memory("momentum_buffer", momentum);
    part.change([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.rmsprop(touched, part.values, grads, v, m, b, step, threads);
    });
  });
}

void adagrad(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, const py::object& sum,
             double lr, double eps, double weight_decay) {
  const AdagradStep step = {lr, eps, weight_decay};
  with_part(buffer, begin, end, [&](const auto& part) {
    auto* const s = part.memory("sum", sum);
    part.change([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.adagrad(touched, part.values, grads, s, step, threads);
    });
  });
}

double squared_norm(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end) {
  double sum = 0;
  with_part(buffer, begin, end, [&](const auto& part) {
    Status status = Status::ok;
    part.run([&](const auto& table, const auto& touched, auto* grads, int threads) {
      status = table.squared_norm(touched.n, grads, &sum, threads);
    });
    require_ok(status);
  });
  return sum;
}

void zero_grads(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end) {
  with_part(buffer, begin, end, [&](const auto& part) {
    if (RowGradients* const by_row = buffer.row_grads()) {
      const WithoutGil release;
      const std::scoped_lock lock(buffer.gradient_mutex());
      return by_row->clear();
    }
    part.run([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.set_to_zero(touched.n, grads, threads);
    });
  });
}

void scale_grads(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, double factor) {
  with_part(buffer, begin, end, [&](const auto& part) {
    part.run([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.scale(touched.n, grads, factor, threads);
    });
  });
}

void clip_grads(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end, double bound) {
  with_part(buffer, begin, end, [&](const auto& part) {
    part.run([&](const auto& table, const auto& touched, auto* grads, int threads) {
      table.clip(touched.n, grads, bound, threads);
    });
  });
}

}  // namespace

void bind_optimizers(py::module_& m) {
  m.def("sgd", &sgd, py::arg("buffer"), py::arg("begin"), py::arg("end"),
        py::arg("momentum_buffer"), py::kw_only(), py::arg("lr"), py::arg("momentum"),
        py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"), py::arg("first"));
  m.def("adam", &adam, py::arg("buffer"), py::arg("begin"), py::arg("end"), py::arg("exp_avg"),
        py::arg("exp_avg_sq"), py::kw_only(), py::arg("lr"), py::arg("beta1"), py::arg("beta2"),
        py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"), py::arg("step"));
  m.def("rmsprop", &rmsprop, py::arg("buffer"), py::arg("begin"), py::arg("end"),
        py::arg("square_avg"), py::arg("grad_avg"), py::arg("momentum_buffer"), py::kw_only(),
        py::arg("lr"), py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"),
        py::arg("momentum"));
  m.def("adagrad", &adagrad, py::arg("buffer"), py::arg("begin"), py::arg("end"), py::arg("sum"),
        py::kw_only(), py::arg("lr"), py::arg("eps"), py::arg("weight_decay"));
  m.def("squared_norm", &squared_norm, py::arg("buffer"), py::arg("begin"), py::arg("end"));
  m.def("zero_grads", &zero_grads, py::arg("buffer"), py::arg("begin"), py::arg("end"));
  m.def("scale_grads", &scale_grads, py::arg("buffer"), py::arg("begin"), py::arg("end"),
        py::arg("factor"));
  m.def("clip_grads", &clip_grads, py::arg("buffer"), py::arg("begin"), py::arg("end"),
        py::arg("bound"));
}

}  // namespace rnnfast
