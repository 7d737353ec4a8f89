// sLSTM and mLSTM: the loops over time, on the input's products.
#include <array>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/memory.h"
#include "bindings/module.h"

namespace rnnfast {

namespace {

using Sizes = std::vector<std::int64_t>;

// What all passes of both cells are given, checked.
struct CheckedXlstm {
  py::array begins;  // a copy
  XlstmShape shape = {};

  CheckedXlstm(const py::array& given_begins, std::int64_t H, int heads, bool exponential,
               std::int64_t rows) {
    require_dtype<std::int64_t>("begins", given_begins, false);
    begins = copy_of("begins", given_begins);
    if (begins.ndim() != 1 || begins.size() < 1)
      throw py::value_error("begins: expected shape (B + 1,), got " + text_of(shape_of(begins)));
    if (heads < 1 || H < 1 || H % heads != 0)
      throw py::value_error("heads: expected a divisor of " + std::to_string(H) + ", got " +
                            std::to_string(heads));
    const auto* at = static_cast<const std::int64_t*>(begins.data());
    shape = {begins.size() - 1, H, heads, exponential, at};
    bool rises = at[0] == 0 && at[shape.B] == rows;
    for (std::int64_t b = 0; b < shape.B; ++b) rises = rises && at[b] <= at[b + 1];
    if (!rises) throw py::value_error("begins: expected to rise from 0 to " + std::to_string(rows));
  }
};

// Columns of a matrix.
std::int64_t width_of(const char* name, const py::array& matrix) {
  if (matrix.ndim() != 2)
    throw py::value_error(std::string(name) + ": expected 2 axes, got shape " +
                          text_of(shape_of(matrix)));
  return matrix.shape(1);
}

// A checked array of this shape that can be read from end to end.
template <class Scalar>
const Scalar* read(const char* name, const py::array& given, const Sizes& shape, Held& held) {
  return optional_data<Scalar>(name, given, shape, held);
}

// The parts of a state that was given, or null pointers of None.
template <class Scalar, std::size_t count>
struct GivenState {
  std::array<Held, count> held;
  std::array<const Scalar*, count> data = {};

  GivenState(const py::object& given, const std::array<Sizes, count>& shapes) {
    if (given.is_none()) return;
    const auto parts = py::cast<py::tuple>(given);
    if (parts.size() != count)
      throw py::value_error("state: expected " + std::to_string(count) + " arrays, got " +
                            std::to_string(parts.size()));
    for (std::size_t k = 0; k < count; ++k)
      data[k] = optional_data<Scalar>("state", parts[k], shapes[k], held[k]);
  }
};

// The parts of a state to be written: new arrays, or those that were given.
template <class Scalar, std::size_t count>
struct NewState {
  py::tuple arrays{count};
  std::array<Scalar*, count> data = {};

  explicit NewState(const std::array<Sizes, count>& shapes) {
    for (std::size_t k = 0; k < count; ++k) {
      auto array = new_array<Scalar>(shapes[k]);
      data[k] = array.mutable_data();
      arrays[k] = array;
    }
  }
  NewState(const py::tuple& given, const GivenState<Scalar, count>& state) : arrays(given) {
    for (std::size_t k = 0; k < count; ++k) {
      auto array = py::cast<py::array_t<Scalar>>(given[k]);
      data[k] = array.mutable_data();
      if (data[k] != state.data[k])
        throw py::value_error("state: expected contiguous arrays to be written to");
    }
  }
};
template <class Scalar, std::size_t count>
NewState<Scalar, count> new_state(const py::object& given, const GivenState<Scalar, count>& state,
                                  const std::array<Sizes, count>& shapes, bool in_place) {
  if (in_place) return {py::cast<py::tuple>(given), state};
  return NewState<Scalar, count>(shapes);
}

std::array<Sizes, 4> slstm_states(const XlstmShape& shape) {
  const Sizes each = {shape.B, shape.H};
  return {each, each, each, each};
}
std::array<Sizes, 3> mlstm_states(const XlstmShape& shape) {
  const std::int64_t d = shape.d(), heads = shape.heads;
  return {Sizes{shape.B, heads, d, d}, Sizes{shape.B, heads, d}, Sizes{shape.B, heads}};
}

// Room for what backpropagation needs.
template <class Scalar>
py::array_t<Scalar> kept_numbers(std::int64_t count) {
  require_memory("x: what backpropagation through its steps needs",
                 bytes_of({count}, sizeof(Scalar)));
  return new_array<Scalar>({count});
}

// Runs a kernel without the GIL.
template <class F>
void run_unlocked(const F& run) {
  const int threads = thread_count();
  Status status;
  {
    const WithoutGil release;
    status = run(threads);
  }
  require_ok(status);
}

// Throws unless what a pass gives is finite: gates, and in mLSTM products of three of them, may
// overflow though x is finite. A state that was written in place is not looked at: y is made of it.
template <class Scalar, std::size_t count>
void require_no_overflow(const py::array& y, const NewState<Scalar, count>& final, bool in_place) {
  const auto& table = *tables<Scalar>(kernels()).elements;
  const int threads = thread_count();
  const auto fits = [&](std::int64_t size, const Scalar* numbers) {
    return table.all_finite(1, size, {numbers, size}, threads);
  };
  bool all = fits(y.size(), static_cast<const Scalar*>(y.data()));
  for (std::size_t k = 0; k < count && all && !in_place; ++k)
    all = fits(py::cast<py::array>(final.arrays[k]).size(), final.data[k]);
  if (!all)
    throw py::value_error("x: expected numbers whose products fit into " +
                          std::string(py::str(y.dtype())) + ", got some that overflow");
}

template <class Scalar>
py::array slstm_pack(const py::array& given, int heads) {
  const std::int64_t d = width_of("weight", given), H = d * heads;
  Held held;
  const Scalar* const weight = read<Scalar>("weight", given, {4 * H, d}, held);
  const auto& table = *tables<Scalar>(kernels()).xlstm;
  auto packed = new_array<Scalar>({table.slstm_packed_size(H, heads)});
  table.slstm_pack(H, heads, weight, packed.mutable_data());
  return std::move(packed);
}

template <class Scalar>
py::tuple slstm_forward(const py::array& gates, const py::array& packed, int heads,
                        bool exponential, const py::array& begins, const py::object& state,
                        bool keep, bool in_place) {
  const std::int64_t H = width_of("gates", gates) / 4, N = gates.shape(0);
  const CheckedXlstm checked(begins, H, heads, exponential, N);
  const XlstmShape& shape = checked.shape;
  const auto& table = *tables<Scalar>(kernels()).xlstm;
  Held held_gates, held_packed;
  SlstmInput<Scalar> in = {};
  in.shape = shape;
  in.gates = read<Scalar>("gates", gates, {N, 4 * H}, held_gates);
  in.packed = read<Scalar>("packed", packed, {table.slstm_packed_size(H, heads)}, held_packed);
  const auto shapes = slstm_states(shape);
  const GivenState<Scalar, 4> initial(state, shapes);
  in.initial = {initial.data[0], initial.data[1], initial.data[2], initial.data[3]};
  const auto final = new_state<Scalar, 4>(state, initial, shapes, in_place);
  auto y = new_array<Scalar>({N, H});
  py::object kept = py::none();
  Scalar *const to = y.mutable_data(), *keeping = nullptr;
  if (keep) {
    auto array = kept_numbers<Scalar>(table.slstm_kept_size(shape));
    keeping = array.mutable_data();
    kept = array;
  }
  run_unlocked([&](int threads) {
    return table.slstm_forward(in, to, {final.data[0], final.data[1], final.data[2], final.data[3]},
                               keeping, threads);
  });
  require_no_overflow(y, final, in_place);
  return py::make_tuple(y, final.arrays, kept);
}

template <class Scalar>
py::tuple slstm_backward(const py::array& y, const py::array& kept, const py::array& weight,
                         int heads, bool exponential, const py::array& begins,
                         const py::object& state, const py::array& dy, const py::object& dstate) {
  const std::int64_t H = width_of("y", y), N = y.shape(0);
  const CheckedXlstm checked(begins, H, heads, exponential, N);
  const XlstmShape& shape = checked.shape;
  const auto& table = *tables<Scalar>(kernels()).xlstm;
  std::array<Held, 4> held;
  const auto shapes = slstm_states(shape);
  const GivenState<Scalar, 4> initial(state, shapes), dfinal(dstate, shapes);
  SlstmInput<Scalar> in = {};
  in.shape = shape;
  in.initial = {initial.data[0], initial.data[1], initial.data[2], initial.data[3]};
  SlstmGradients<Scalar> g = {};
  g.y = read<Scalar>("y", y, {N, H}, held[0]);
  g.kept = read<Scalar>("kept", kept, {table.slstm_kept_size(shape)}, held[1]);
  g.weight = read<Scalar>("weight", weight, {4 * H, shape.d()}, held[2]);
  g.dy = read<Scalar>("dy", dy, {N, H}, held[3]);
  g.dfinal = {dfinal.data[0], dfinal.data[1], dfinal.data[2], dfinal.data[3]};
  const NewState<Scalar, 4> dinitial(shapes);
  auto dgates = new_array<Scalar>({N, 4 * H}), dweight = new_array<Scalar>({4 * H, shape.d()});
  g.dgates = dgates.mutable_data();
  g.dweight = dweight.mutable_data();
  g.dinitial = {dinitial.data[0], dinitial.data[1], dinitial.data[2], dinitial.data[3]};
  run_unlocked([&](int threads) { return table.slstm_backward(in, g, threads); });
  return py::make_tuple(dgates, dweight, dinitial.arrays);
}

// What both ways through mLSTM read.
template <class Scalar>
struct CheckedMlstm {
  std::int64_t N, H;
  CheckedXlstm checked;
  std::array<Sizes, 3> shapes;
  GivenState<Scalar, 3> initial;
  Held gates;
  MlstmInput<Scalar> in = {};

  CheckedMlstm(const py::array& given, int heads, bool exponential, const py::array& begins,
               const py::object& state, std::int64_t chunk)
      : N(given.shape(0)),
        H((width_of("gates", given) - 2 * heads) / 4),
        checked(begins, H, heads, exponential, N),
        shapes(mlstm_states(checked.shape)),
        initial(state, shapes) {
    if (chunk < 1 || chunk > (1 << 16))
      throw py::value_error("chunk: expected 1 to 65536 steps, got " + std::to_string(chunk));
    in.shape = checked.shape;
    in.gates = read<Scalar>("gates", given, {N, 4 * H + 2 * heads}, gates);
    in.initial = {initial.data[0], initial.data[1], initial.data[2]};
    in.chunk = chunk;
  }
};

template <class Scalar>
py::tuple mlstm_forward(const CheckedMlstm<Scalar>& given, const py::object& state, bool keep,
                        bool in_place) {
  const auto& in = given.in;
  const auto& table = *tables<Scalar>(kernels()).xlstm;
  const auto final = new_state<Scalar, 3>(state, given.initial, given.shapes, in_place);
  auto y = new_array<Scalar>({given.N, given.H});
  py::object kept = py::none();
  Scalar *const to = y.mutable_data(), *keeping = nullptr;
  if (keep) {
    auto array = kept_numbers<Scalar>(table.mlstm_kept_size(in.shape, in.chunk));
    keeping = array.mutable_data();
    kept = array;
  }
  run_unlocked([&](int threads) {
    return table.mlstm_forward(in, to, {final.data[0], final.data[1], final.data[2]}, keeping,
                               threads);
  });
  require_no_overflow(y, final, in_place);
  return py::make_tuple(y, final.arrays, kept);
}

template <class Scalar>
py::tuple mlstm_backward(const CheckedMlstm<Scalar>& given, const py::array& y,
                         const py::array& kept, const py::array& dy, const py::object& dstate) {
  const auto& in = given.in;
  const auto& table = *tables<Scalar>(kernels()).xlstm;
  const GivenState<Scalar, 3> dfinal(dstate, given.shapes);
  const NewState<Scalar, 3> dinitial(given.shapes);
  std::array<Held, 3> held;
  MlstmGradients<Scalar> g = {};
  g.y = read<Scalar>("y", y, {given.N, given.H}, held[0]);
  g.kept = read<Scalar>("kept", kept, {table.mlstm_kept_size(in.shape, in.chunk)}, held[1]);
  g.dy = read<Scalar>("dy", dy, {given.N, given.H}, held[2]);
  g.dfinal = {dfinal.data[0], dfinal.data[1], dfinal.data[2]};
  auto dgates = new_array<Scalar>({given.N, 4 * given.H + 2 * in.shape.heads});
  g.dgates = dgates.mutable_data();
  g.dinitial = {dinitial.data[0], dinitial.data[1], dinitial.data[2]};
  run_unlocked([&](int threads) { return table.mlstm_backward(in, g, threads); });
  return py::make_tuple(dgates, dinitial.arrays);
}

}  // namespace

void bind_xlstm(py::module_& m) {
  m.def(
      "slstm_pack",
      [](const py::array& weight, int heads) {
        return with_scalar_of("weight", weight, [&](auto scalar) {
          return slstm_pack<decltype(scalar)>(weight, heads);
        });
      },
      py::arg("weight"), py::arg("heads"));
  m.def(
      "slstm_forward",
      [](const py::array& gates, const py::array& packed, int heads, bool exponential,
         const py::array& begins, const py::object& state, bool keep, bool in_place) {
        return with_scalar_of("gates", gates, [&](auto scalar) {
          return slstm_forward<decltype(scalar)>(gates, packed, heads, exponential, begins, state,
                                                 keep, in_place);
        });
      },
      py::arg("gates"), py::arg("packed"), py::arg("heads"), py::arg("exponential"),
      py::arg("begins"), py::arg("state"), py::arg("keep"), py::arg("in_place"));
  m.def(
      "slstm_backward",
      [](const py::array& y, const py::array& kept, const py::array& weight, int heads,
         bool exponential, const py::array& begins, const py::object& state, const py::array& dy,
         const py::object& dstate) {
        return with_scalar_of("y", y, [&](auto scalar) {
          return slstm_backward<decltype(scalar)>(y, kept, weight, heads, exponential, begins,
                                                  state, dy, dstate);
        });
      },
      py::arg("y"), py::arg("kept"), py::arg("weight"), py::arg("heads"), py::arg("exponential"),
      py::arg("begins"), py::arg("state"), py::arg("dy"), py::arg("dstate"));
  m.def(
      "mlstm_forward",
      [](const py::array& gates, int heads, bool exponential, const py::array& begins,
         const py::object& state, std::int64_t chunk, bool keep, bool in_place) {
        return with_scalar_of("gates", gates, [&](auto scalar) {
          return mlstm_forward(
              CheckedMlstm<decltype(scalar)>(gates, heads, exponential, begins, state, chunk),
              state, keep, in_place);
        });
      },
      py::arg("gates"), py::arg("heads"), py::arg("exponential"), py::arg("begins"),
      py::arg("state"), py::arg("chunk"), py::arg("keep"), py::arg("in_place"));
  m.def(
      "mlstm_backward",
      [](const py::array& gates, const py::array& y, const py::array& kept, int heads,
         bool exponential, const py::array& begins, const py::object& state, std::int64_t chunk,
         const py::array& dy, const py::object& dstate) {
        return with_scalar_of("gates", gates, [&](auto scalar) {
          return mlstm_backward(
              CheckedMlstm<decltype(scalar)>(gates, heads, exponential, begins, state, chunk), y,
              kept, dy, dstate);
        });
      },
      py::arg("gates"), py::arg("y"), py::arg("kept"), py::arg("heads"), py::arg("exponential"),
      py::arg("begins"), py::arg("state"), py::arg("chunk"), py::arg("dy"), py::arg("dstate"));
}

}  // namespace rnnfast
