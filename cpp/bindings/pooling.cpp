#include <pybind11/stl.h>

#include <algorithm>
#include <string>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"
#include "time_pooling.h"

namespace rnnfast {

namespace {

// Which vectors stand side by side.
struct PoolingKind {
  bool last, mean, most;

  explicit PoolingKind(const std::string& how)
      : last(how == "last" || how == "concat"),
        mean(how == "mean" || how == "concat"),
        most(how == "max" || how == "concat") {
    if (!last && !mean && !most)
      throw py::value_error("how: expected last, mean, max or concat, got " + how);
  }
  std::int64_t count() const {
    return std::int64_t(last) + std::int64_t(mean) + std::int64_t(most);
  }
  // Rows that begin at `to`, one part after the other.
  template <class Pointer, class Parts>
  void place(std::int64_t W, Pointer to, Parts& parts) const {
    parts.stride = count() * W;
    if (last) parts.last = to, to += W;
    if (mean) parts.mean = to, to += W;
    if (most) parts.most = to;
  }
};

// The sizes and checked lengths of (T, B, W), lengths held.
PooledSizes sizes_of(const std::vector<std::int64_t>& shape, const py::object& lengths,
                     std::int64_t directions, Held& held) {
  if (shape.size() != 3 || shape[2] < 1 || directions < 1 || shape[2] % directions != 0)
    throw py::value_error("h: expected shape (T, B, " + std::to_string(directions) + " H), got " +
                          text_of(shape));
  PooledSizes sizes = {shape[0], shape[1], shape[2], shape[2] / directions, nullptr};
  sizes.lengths = optional_data<std::int64_t>("lengths", lengths, {sizes.B}, held);
  for (std::int64_t b = 0; sizes.lengths != nullptr && b < sizes.B; ++b)
    if (sizes.lengths[b] < 0 || sizes.lengths[b] > sizes.T)
      throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(sizes.T) +
                            ", got " + std::to_string(sizes.lengths[b]));
  return sizes;
}

// The vectors (B, W'), and of the largest numbers the steps (B, W) that have them, or None.
template <class Scalar>
py::tuple pool(const py::array& given, const py::object& lengths, const PoolingKind& kind,
               std::int64_t directions) {
  Held held;
  const PooledSizes sizes = sizes_of(shape_of(given), lengths, directions, held);
  const Held h(with_contiguous_rows("h", given));
  constexpr auto item = static_cast<std::int64_t>(sizeof(Scalar));
  auto v = new_array<Scalar>({sizes.B, kind.count() * sizes.W});
  Pooled<Scalar> to = {};
  kind.place(sizes.W, v.mutable_data(), to);
  py::object at = py::none();
  if (kind.most) {
    auto array = new_array<std::int32_t>({sizes.B, sizes.W});
    to.most_at = array.mutable_data();
    at = array;
  }
  {
    const Unlocked others(sizes.T, sizes.B, sizes.W);
    pool(sizes, h.data<Scalar>(), h->strides(0) / item, h->strides(1) / item, to);
  }
  return py::make_tuple(v, at);
}

// The gradient (T, B, W) of what was pooled, from that of the vectors.
template <class Scalar>
py::array pool_backward(const py::array& given, const py::object& given_at,
                        const std::vector<std::int64_t>& shape, const py::object& lengths,
                        const PoolingKind& kind, std::int64_t directions) {
  Held held, at;
  const PooledSizes sizes = sizes_of(shape, lengths, directions, held);
  require_shape("dv", given, {sizes.B, kind.count() * sizes.W});
  const Held dv(contiguous("dv", given));
  PooledGradients<Scalar> g = {};
  kind.place(sizes.W, dv.data<Scalar>(), g);
  if (kind.most) {
    g.most_at = optional_data<std::int32_t>("at", given_at, {sizes.B, sizes.W}, at);
    if (g.most_at == nullptr) throw py::type_error("at: expected an array, got None");
    for (std::int64_t k = 0; k < sizes.B * sizes.W; ++k)
      if (g.most_at[k] < 0 || g.most_at[k] >= std::max<std::int64_t>(sizes.T, 1))
        throw py::value_error("at: expected steps below " + std::to_string(sizes.T) + ", got " +
                              std::to_string(g.most_at[k]));
  }
  auto dh = new_array<Scalar>(shape);
  {
    const Unlocked others(sizes.T, sizes.B, sizes.W);
    pool_backward(sizes, g, dh.mutable_data());
  }
  return std::move(dh);
}

}  // namespace

void bind_pooling(py::module_& m) {
  m.def(
      "pool",
      [](const py::array& h, const py::object& lengths, const std::string& how,
         std::int64_t directions) {
        return with_scalar_of("h", h, [&](auto scalar) {
          return pool<decltype(scalar)>(h, lengths, PoolingKind(how), directions);
        });
      },
      py::arg("h"), py::arg("lengths"), py::arg("how"), py::arg("directions"));
  m.def(
      "pool_backward",
      [](const py::array& dv, const py::object& at, const std::vector<std::int64_t>& shape,
         const py::object& lengths, const std::string& how, std::int64_t directions) {
        return with_scalar_of("dv", dv, [&](auto scalar) {
          return pool_backward<decltype(scalar)>(dv, at, shape, lengths, PoolingKind(how),
                                                 directions);
        });
      },
      py::arg("dv"), py::arg("at"), py::arg("shape"), py::arg("lengths"), py::arg("how"),
      py::arg("directions"));
}

}  // namespace rnnfast
