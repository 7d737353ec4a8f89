// Packed weights against the layouts at the head of pack.h, value by value, for every cell.
#include "kernels/gemm/pack.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/gemm/packed_stack.h"
#include "kernels/gemm/transposed.h"
#include "kernels/rnn/registry.h"
#include "tests/numbers.h"

namespace rnnfast {
namespace {

// Parameters of a layer's direction, no two values of an array alike, none zero.
template <class Scalar>
struct Weights {
  Weights(const StackShape& shape, int layer) {
    const CellDescriptor cell = shape.cell_of(layer);
    const std::int64_t rows = cell.gate_count * shape.H, recurrent = cell.recurrent_product();
    fill(w_ih, rows * shape.input_of(layer));
    fill(w_hh, recurrent * rows * shape.P);
    fill(b_ih, shape.bias * cell.bias_count * shape.H);
    fill(b_hh, shape.bias * recurrent * rows);
    fill(w_hr, shape.projection * shape.P * shape.H);
    fill(unit, cell.unit_count * shape.H);
    fill(gain_ih, cell.normalised() * rows);
    fill(gain_hh, cell.normalised() * rows);
    fill(gain_c, (cell.memory_slot >= 0) * shape.H);
    fill(bias_c, (cell.memory_slot >= 0) * shape.H);
  }
  LayerParameters<const Scalar*> pointers() const {
    const auto of = [](const std::vector<Scalar>& values) {
      return values.empty() ? nullptr : values.data();
    };
    return {of(w_ih), of(w_hh),    of(b_ih),    of(b_hh),   of(w_hr),
            of(unit), of(gain_ih), of(gain_hh), of(gain_c), of(bias_c)};
  }
  std::vector<Scalar> w_ih, w_hh, b_ih, b_hh, w_hr, unit, gain_ih, gain_hh, gain_c, bias_c;

 private:
  static void fill(std::vector<Scalar>& values, std::int64_t count) {
    values.resize(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Scalar>(i + 1);
  }
};

// Compares a packed array, front to back, with `value(index...)` over the given extents.
template <class Scalar>
class Reader {
 public:
  Reader(const char* name, const Scalar* at) : name_(name), at_(at) {}

  template <class F>
  void expect(std::initializer_list<std::int64_t> extents, const F& value) {
    std::int64_t count = 1;
    for (const std::int64_t extent : extents) count *= extent;
    std::int64_t index[4] = {};
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t rest = i;
      for (std::size_t axis = extents.size(); axis-- > 0;) {
        index[axis] = rest % extents.begin()[axis];
        rest /= extents.begin()[axis];
      }
      ASSERT_EQ(at_[i], value(index)) << name_ << ", value " << i;
    }
  }

 private:
  const char* name_;
  const Scalar* at_;
};

// A row-major matrix of which a packed array shows a part, zero beyond its edges.
template <class Scalar>
Scalar element(const std::vector<Scalar>& w, std::int64_t H, std::int64_t columns, int gate,
               std::int64_t unit, std::int64_t column) {
  if (unit >= H || column >= columns) return 0;
  return w[static_cast<std::size_t>((gate * H + unit) * columns + column)];
}

template <class Scalar>
void check_forward(const PackedLayer<Scalar>& packed, const Weights<Scalar>& w) {
  constexpr int V = lanes<Scalar>;
  const CellDescriptor& cell = packed.cell;
  const std::int64_t I = packed.I, H = packed.H, P = packed.P, units = packed.units;
  const auto bias_of = [&](std::int64_t u, std::int64_t slot, std::int64_t v) -> Scalar {
    if (w.b_ih.empty() || cell.normalised()) return 0;
    const int s = static_cast<int>(slot), h = s - cell.h_first;
    Scalar sum = 0;
    if (s < cell.x_count && cell.x_gate[s] < cell.bias_count)
      sum += element(w.b_ih, H, 1, cell.x_gate[s], u * V + v, 0);
    if (h >= 0 && h < cell.h_count) sum += element(w.b_hh, H, 1, cell.h_gate[h], u * V + v, 0);
    if (s == 0 && cell.second_product())
      sum += element(w.b_hh, H, 1, cell.second_gate, u * V + v, 0);
    return sum;
  };
  Reader("w_ih", packed.w_ih).expect({units, I, cell.x_count, V}, [&](const auto& i) {
    return element(w.w_ih, H, I, cell.x_gate[i[2]], i[0] * V + i[3], i[1]);
  });
  if (cell.recurrent_product())
    Reader("w_hh", packed.w_hh).expect({units, P, cell.h_count, V}, [&](const auto& i) {
      return element(w.w_hh, H, P, cell.h_gate[i[2]], i[0] * V + i[3], i[1]);
    });
  if (cell.second_product())
    Reader("w_second", packed.w_second).expect({units, H, V}, [&](const auto& i) {
      return element(w.w_hh, H, P, cell.second_gate, i[0] * V + i[2], i[1]);
    });
  if (packed.projection)
    Reader("w_hr", packed.w_hr).expect({packed.outputs, H, V}, [&](const auto& i) {
      return element(w.w_hr, P, H, 0, i[0] * V + i[2], i[1]);
    });
  Reader("bias", packed.bias).expect({units, cell.slots, V}, [&](const auto& i) {
    return bias_of(i[0], i[1], i[2]);
  });
  Reader("unit", packed.unit).expect({units, cell.unit_count, V}, [&](const auto& i) {
    return element(w.unit, H, 1, static_cast<int>(i[1]), i[0] * V + i[2], 0);
  });
  if (cell.normalised())
    Reader("norm", packed.norm).expect({units, cell.slots, 2, V}, [&](const auto& i) -> Scalar {
      const int slot = static_cast<int>(i[1]), h = slot - cell.h_first;
      const bool of_input = slot < cell.x_count, of_memory = slot == cell.memory_slot;
      const auto& gain = of_input ? w.gain_ih : of_memory ? w.gain_c : w.gain_hh;
      const auto& shift = of_input ? w.b_ih : of_memory ? w.bias_c : w.b_hh;
      const int gate = of_input ? cell.x_gate[slot] : of_memory ? 0 : cell.h_gate[h];
      if (i[2] == 1 && shift.empty()) return 0;
      return element(i[2] == 0 ? gain : shift, H, 1, gate, i[0] * V + i[3], 0);
    });

  // The last block's gates side by side: gate and unit of a lane, counted over the vectors.
  const std::int64_t last = H - (units - 1) * V;
  const auto remainder = [&](int count, std::int64_t vector, std::int64_t lane, const auto& value) {
    const std::int64_t at = vector * V + lane, gate = at / last;
    return gate < count ? value(static_cast<int>(gate), (units - 1) * V + at % last) : Scalar(0);
  };
  if (cell.x_count >= 3 && blocks_of<Scalar>(last * cell.x_count) < cell.x_count) {
    EXPECT_EQ(packed.x_remainder, blocks_of<Scalar>(last * cell.x_count));
    Reader("remainder_ih", packed.remainder_ih)
        .expect({I, packed.x_remainder, V}, [&](const auto& i) {
          return remainder(cell.x_count, i[1], i[2], [&](int g, std::int64_t unit) {
            return element(w.w_ih, H, I, cell.x_gate[g], unit, i[0]);
          });
        });
    Reader("remainder_bias", packed.remainder_bias)
        .expect({packed.x_remainder, V}, [&](const auto& i) {
          return remainder(cell.x_count, i[0], i[1], [&](int g, std::int64_t unit) {
            return bias_of(units - 1, g, unit - (units - 1) * V);
          });
        });
  } else {
    EXPECT_EQ(packed.x_remainder, 0);
  }
  const std::int64_t h_vectors = blocks_of<Scalar>(last * cell.h_count);
  EXPECT_EQ(packed.h_remainder, cell.h_count >= 3 && h_vectors < cell.h_count ? h_vectors : 0);
  if (packed.h_remainder > 0)
    Reader("remainder_hh", packed.remainder_hh)
        .expect({P, packed.h_remainder, V}, [&](const auto& i) {
          return remainder(cell.h_count, i[1], i[2], [&](int g, std::int64_t unit) {
            return element(w.w_hh, H, P, cell.h_gate[g], unit, i[0]);
          });
        });
}

constexpr TransposedParts kAllParts[] = {TransposedParts::of_states, TransposedParts::all,
                                         TransposedParts::in_turns};

template <class Scalar>
void check_transposed(const PackedLayer<Scalar>& packed, const Weights<Scalar>& w, int threads,
                      TransposedParts parts) {
  constexpr int V = lanes<Scalar>;
  const CellDescriptor& cell = packed.cell;
  const std::int64_t I = packed.I, H = packed.H, P = packed.P, units = packed.units;
  std::vector<Scalar> memory(static_cast<std::size_t>(Transposed<Scalar>::size(packed, parts)));
  const Transposed<Scalar> transposed(packed, parts, memory.data());
  for (int member = 0; member < threads; ++member) transposed.fill(packed, member, threads);
  // [column block][unit block][gate * V + lane][V]
  const auto gates = [&](const std::vector<Scalar>& from, std::int64_t columns, const int* gate,
                         const std::int64_t* i) {
    return element(from, H, columns, gate[i[2] / V], i[1] * V + i[2] % V, i[0] * V + i[3]);
  };
  const auto check_input = [&] {
    Reader("w_ih_t", transposed.w_ih)
        .expect({packed.inputs, units, cell.x_count * V, V},
                [&](const auto& i) { return gates(w.w_ih, I, cell.x_gate, i); });
  };
  if (parts == TransposedParts::all) check_input();
  if (cell.recurrent_product())
    Reader("w_hh_t", transposed.w_hh)
        .expect({packed.outputs, units, cell.h_count * V, V},
                [&](const auto& i) { return gates(w.w_hh, P, cell.h_gate, i); });
  if (cell.second_product())
    Reader("w_second_t", transposed.w_second).expect({units, units, V, V}, [&](const auto& i) {
      return gates(w.w_hh, P, &cell.second_gate, i);
    });
  if (packed.projection)
    Reader("w_hr_t", transposed.w_hr).expect({units, packed.outputs * V, V}, [&](const auto& i) {
      return element(w.w_hr, P, H, 0, i[1], i[0] * V + i[2]);
    });
  if (!transposed.in_turns()) return;
  for (int member = 0; member < threads; ++member) transposed.fill_input(packed, member, threads);
  check_input();
}

// Calls f(shape, what it is) for every cell in every size, with and without what it may have.
template <class F>
void for_shapes(const F& f) {
  constexpr std::int64_t sizes[] = {1, 3, 17, 33, 65};
  for (int c = 0; c < cell_count; ++c)
    for (const std::int64_t H : sizes)
      for (const std::int64_t I : sizes)
        for (const bool bias : {false, true})
          for (const std::int64_t P : {H, std::int64_t{1}, std::int64_t{19}}) {
            const bool projection = P != H;
            if (projection && (!cells[c]->may_project || P > H)) continue;
            const StackShape shape{cells[c], I, H, P, 1, 1, bias, projection, 0, 0, {}};
            f(shape, std::string(cells[c]->name) + ", I = " + std::to_string(I) +
                         ", H = " + std::to_string(H) + ", P = " + std::to_string(P) +
                         (bias ? ", biases" : ""));
          }
}

template <class Scalar>
struct PackTest : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(PackTest, Scalars);

TYPED_TEST(PackTest, LayoutsOfEveryCell) {
  ASSERT_GT(cell_count, 0);
  for_shapes([](const StackShape& shape, const std::string& what) {
    SCOPED_TRACE(what);
    const Weights<TypeParam> weights(shape, 0);
    const auto given = weights.pointers();
    PackedLayer<TypeParam> packed;
    ASSERT_TRUE(packed.create(shape, 0, 0));
    for (std::int64_t u = 0; u < packed.units; ++u) packed.pack(given, u);
    for (std::int64_t o = 0; packed.projection && o < packed.outputs; ++o)
      packed.pack_projection(given, o);
    check_forward(packed, weights);
    for (const auto parts : kAllParts) check_transposed(packed, weights, 1, parts);
  });
}

// What packing reads is told before, each value once.
TYPED_TEST(PackTest, ValuesAreVisitedOnce) {
  for_shapes([](const StackShape& shape, const std::string& what) {
    SCOPED_TRACE(what);
    const Weights<TypeParam> weights(shape, 0);
    const auto given = weights.pointers();
    PackedLayer<TypeParam> packed;
    ASSERT_TRUE(packed.create(shape, 0, 0));
    const std::vector<TypeParam>* const arrays[] = {
        &weights.w_ih, &weights.w_hh,    &weights.b_ih,    &weights.b_hh,   &weights.w_hr,
        &weights.unit, &weights.gain_ih, &weights.gain_hh, &weights.gain_c, &weights.bias_c};
    std::vector<int> visits[std::size(arrays)];
    for (std::size_t i = 0; i < std::size(arrays); ++i) visits[i].resize(arrays[i]->size());
    const auto visit = [&](const TypeParam* first, std::int64_t count) {
      for (std::size_t i = 0; i < std::size(arrays); ++i) {
        const auto begin = reinterpret_cast<std::uintptr_t>(arrays[i]->data());
        const auto place = reinterpret_cast<std::uintptr_t>(first);
        const std::size_t at = (place - begin) / sizeof(TypeParam);
        if (place < begin || at >= arrays[i]->size()) continue;
        ASSERT_LE(at + static_cast<std::size_t>(count), arrays[i]->size());
        for (std::int64_t k = 0; k < count; ++k) ++visits[i][at + static_cast<std::size_t>(k)];
        return;
      }
      FAIL() << "values of no array";
    };
    for (std::int64_t u = 0; u < packed.units; ++u) packed.for_values(given, u, visit);
    for (std::int64_t o = 0; packed.projection && o < packed.outputs; ++o)
      packed.for_projection_values(given, o, visit);
    for (const auto& counts : visits) EXPECT_EQ(counts, std::vector<int>(counts.size(), 1));
  });
}

// Layers and directions of a stack, packed by any number of threads.
TYPED_TEST(PackTest, StacksOfEveryCell) {
  for (int c = 0; c < cell_count; ++c)
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(cells[c]->name);
      const StackShape shape{cells[c], 33, 129, 129, 3, 2, true, false, 0, 0, {}};
      std::vector<Weights<TypeParam>> weights;
      std::vector<LayerParameters<const TypeParam*>> given;
      for (int i = 0; i < shape.L * shape.D; ++i) weights.emplace_back(shape, i / shape.D);
      for (const auto& layer : weights) given.push_back(layer.pointers());
      const std::unique_ptr<PackedStack<TypeParam>> stack(PackedStack<TypeParam>::create(shape));
      ASSERT_NE(stack, nullptr);
      stack->pack(given.data(), threads);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        check_forward(stack->layers[i], weights[i]);
        for (const auto parts : kAllParts)
          check_transposed(stack->layers[i], weights[i], threads, parts);
      }
    }
}

TYPED_TEST(PackTest, LanesComeBack) {
  constexpr int V = lanes<TypeParam>;
  for (const std::int64_t units : {1, V - 1, V, 3 * V})
    for (const std::int64_t K : {1, 3, 17, 33, 65}) {
      const std::int64_t used = std::min<std::int64_t>(units, V);
      const auto from = whole_numbers<TypeParam>(units * K, 1);
      const auto before = whole_numbers<TypeParam>(units * K, 2);
      std::vector<TypeParam> panel(static_cast<std::size_t>(K * V), TypeParam(99));
      pack_lanes(from.data(), K, units, K, panel.data(), V);
      auto to = before;
      unpack_lanes_add<TypeParam>(panel.data(), V, units, K, to.data(), K);
      for (std::int64_t v = 0; v < units; ++v)
        for (std::int64_t k = 0; k < K; ++k) {
          const auto at = static_cast<std::size_t>(v * K + k);
          ASSERT_EQ(to[at], v < used ? before[at] + from[at] : before[at]);
        }
    }
}

// A stack too large for its sizes to be counted has no memory, rather than too little.
TYPED_TEST(PackTest, ImpossibleSizesAreRefused) {
  const std::int64_t huge = std::int64_t{1} << 40;
  PackedLayer<TypeParam> packed;
  EXPECT_FALSE(packed.create({cells[0], huge, huge, huge, 1, 1, true, false, 0, 0, {}}, 0, 0));
}

}  // namespace
}  // namespace rnnfast
