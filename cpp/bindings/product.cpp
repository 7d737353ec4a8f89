#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// A checked matrix that can be read where it stands, by its rows or by its columns.
template <class Scalar>
struct MatrixArray {
  Held held;
  Factor<Scalar> factor;
  std::int64_t rows, columns;

  MatrixArray(const char* name, const py::array& given) {
    require_dtype<Scalar>(name, given);
    if (given.ndim() != 2)
      throw py::value_error(std::string(name) + ": expected two axes, got shape " +
                            text_of(shape_of(given)));
    rows = given.shape(0);
    columns = given.shape(1);
    constexpr auto size = static_cast<std::int64_t>(sizeof(Scalar));
    const bool turned = is_aligned(given) && given.strides(0) == size &&
                        given.strides(1) % size == 0 && given.strides(1) != size;
    held = Held(turned ? given : with_contiguous_rows(name, given));
    factor = {{held.data<Scalar>(), held->strides(turned ? 1 : 0) / size}, turned};
  }
};

template <class Scalar>
py::array product(const py::array& given_a, const py::array& given_b) {
  const MatrixArray<Scalar> a("a", given_a), b("b", given_b);
  if (a.columns != b.rows)
    throw py::value_error("b: expected " + std::to_string(a.columns) + " rows, got shape " +
                          text_of(shape_of(*b.held)));
  auto c = new_array<Scalar>({a.rows, b.columns});
  Scalar* const to = c.mutable_data();
  const auto& table = *tables<Scalar>(kernels()).linear;
  const int threads = thread_count();
  Status status;
  {
    const Released release;
    status = table.product(a.rows, b.columns, a.columns, a.factor, b.factor, to, threads);
  }
  require_ok(status);
  return std::move(c);
}

}  // namespace

void bind_product(py::module_& m) {
  m.def(
      "product",
      [](const py::array& a, const py::array& b) {
        return with_scalar_of("a", a, [&](auto scalar) { return product<decltype(scalar)>(a, b); });
      },
      py::arg("a"), py::arg("b"));
}

}  // namespace rnnfast
