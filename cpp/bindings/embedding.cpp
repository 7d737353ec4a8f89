#include "bindings/embedding.h"

#include <algorithm>
#include <mutex>

#include "bindings/linear.h"
#include "bindings/unlocked.h"

namespace rnnfast {

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                     std::shared_ptr<ParameterBuffer> parameters, std::int64_t weight,
                     std::int64_t padding)
    : table_(&kernels()),
      N_(num_embeddings),
      E_(embedding_dim),
      parameters_(std::move(parameters)),
      weight_(weight),
      padding_(padding) {
  const std::int64_t size = parameters_->size();
  if (N_ < 1 || E_ < 1 || weight_ < 0 || N_ > size / E_ || weight_ > size - N_ * E_)
    throw py::value_error("weight: expected an offset within the buffer of " +
                          std::to_string(size));
  const RowGradients* const by_row = parameters_->row_grads();
  if (by_row != nullptr && (weight_ != 0 || N_ * E_ != size || by_row->width() != E_))
    throw py::value_error("buffer: expected its gradients by rows of this table");
  if (parameters_->kept() == nullptr) return;
  kept_ = parameters_->kept()->matrix_at(weight_);
  if (kept_ == nullptr || kept_->rows != N_ || kept_->columns != E_)
    throw py::value_error("buffer: expected this table in fewer bits");
}

template <class Scalar>
py::array Embedding::forward(const py::array& given) const {
  const Held indices = checked(given);
  const std::int64_t R = indices->size();
  auto y = new_array<Scalar>({R, E_});
  Scalar* const to = y.mutable_data();
  const auto* const from = indices.data<std::int64_t>();
  const int threads = thread_count();
  {
    const Unlocked others(R, E_);
    if constexpr (std::is_same_v<Scalar, float>) {
      if (kept_ != nullptr) {
        widen_rows(*kept_, R, from, to);
        return std::move(y);
      }
    }
    tables<Scalar>(*table_).embedding->gather(R, E_, table<Scalar>(), from, to, threads);
  }
  return std::move(y);
}

template <class Scalar>
void Embedding::backward(const py::array& dy_given, const py::array& indices_given) {
  const Held indices = checked(indices_given);
  const RowArray<Scalar> dy("dy", dy_given, E_);
  if (dy.R != indices->size()) require_shape("dy", *dy.held, {indices->size(), E_});
  Scalar* const grads = parameters_->grads<Scalar>();
  const int threads = thread_count();
  const Released release;
  const auto* const to = indices.data<std::int64_t>();
  const auto scatter = tables<Scalar>(*table_).embedding->scatter;
  const std::scoped_lock lock(parameters_->gradient_mutex());
  if (RowGradients* const by_row = parameters_->row_grads()) {
    const auto places = by_row->place(to, dy.R, padding_);
    return scatter(dy.R, E_, dy.matrix, places.data(), -1, by_row->data<Scalar>(), threads);
  }
  scatter(dy.R, E_, dy.matrix, to, padding_, grads + weight_, threads);
}

Held Embedding::checked(const py::array& given) const {
  require_dtype<std::int64_t>("indices", given);
  if (given.ndim() != 1)
    throw py::value_error("indices: expected shape (R,), got " + text_of(shape_of(given)));
  const Held indices(copy_of("indices", given));
  const auto* const begin = indices.data<std::int64_t>();
  const auto* const end = begin + indices->size();
  const auto* wrong = std::find_if(begin, end, [this](auto i) { return i < 0 || i >= N_; });
  if (wrong != end)
    throw py::value_error("indices: expected numbers from 0 to " + std::to_string(N_ - 1) +
                          ", got " + std::to_string(*wrong));
  return indices;
}

namespace {

template <class Scalar>
py::array dropout(const py::array& given, double probability, std::uint64_t seed) {
  const Held x(contiguous("x", given));
  auto y = new_array<Scalar>(shape_of(*x));
  const auto* const from = x.data<Scalar>();
  Scalar* const to = y.mutable_data();
  const std::int64_t size = y.size();
  const auto& elements = *tables<Scalar>(kernels()).elements;
  const int threads = thread_count();
  {
    const Released release;
    elements.dropout(size, probability, seed, from, to, threads);
  }
  return std::move(y);
}

}  // namespace

void bind_embedding(py::module_& m) {
  py::class_<Embedding>(m, "Embedding")
      .def(py::init<std::int64_t, std::int64_t, std::shared_ptr<ParameterBuffer>, std::int64_t,
                    std::int64_t>(),
           py::arg("num_embeddings"), py::arg("embedding_dim"), py::arg("buffer"),
           py::arg("weight"), py::arg("padding"))
      .def(
          "forward",
          [](const Embedding& self, const py::array& indices) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return self.forward<decltype(scalar)>(indices);
            });
          },
          py::arg("indices"))
      .def(
          "backward",
          [](Embedding& self, const py::array& dy, const py::array& indices) {
            with_scalar(self.is_double(),
                        [&](auto scalar) { self.backward<decltype(scalar)>(dy, indices); });
          },
          py::arg("dy"), py::arg("indices"));
  m.def(
      "dropout",
      [](const py::array& x, double probability, std::uint64_t seed) {
        return with_scalar_of(
            "x", x, [&](auto scalar) { return dropout<decltype(scalar)>(x, probability, seed); });
      },
      py::arg("x"), py::arg("probability"), py::arg("seed"));
}

}  // namespace rnnfast
