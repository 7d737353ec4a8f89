// A step on weights as callers have them against the same step on packed ones, bit for bit.
#include <gtest/gtest.h>

#include <limits>
#include <string_view>
#include <vector>

#include "kernels/rnn/direct_stack.h"
#include "kernels/rnn/passes.h"
#include "tests/numbers.h"

namespace rnnfast {
namespace {

// A stack of random weights, one step's arguments, and room for its results.
template <class Scalar>
struct Step {
  using Numbers = std::vector<Scalar>;

  Step(const CellDescriptor& cell, std::int64_t I, std::int64_t H, int L, int D, bool bias) {
    shape = {&cell, I, H, H, L, D, bias, false, 0, 0, {}};
    const std::int64_t G = cell.gate_count * H, states = L * D * H;
    for (int i = 0; i < L * D; ++i) {
      const auto seed = static_cast<unsigned>(10 * i);
      const std::int64_t sizes[] = {G * shape.input_of(i / D), G * H, G, G};
      for (unsigned k = 0; k < 4; ++k)
        weights.push_back(real_numbers<Scalar>(sizes[k], seed + k + 1));
    }
    x = real_numbers<Scalar>(I, 101);
    h0 = real_numbers<Scalar>(states, 102);
    c0 = real_numbers<Scalar>(states, 103);
    for (Numbers* to : {&h_n, &c_n, &y}) to->resize(static_cast<std::size_t>(states));
  }

  std::vector<LayerParameters<const Scalar*>> parameters() const {
    std::vector<LayerParameters<const Scalar*>> all;
    for (std::size_t i = 0; i < weights.size(); i += 4) {
      LayerParameters<const Scalar*> one = {};
      one.w_ih = weights[i].data();
      one.w_hh = weights[i + 1].data();
      if (shape.bias) {
        one.b_ih = weights[i + 2].data();
        one.b_hh = weights[i + 3].data();
      }
      all.push_back(one);
    }
    return all;
  }
  bool has_memory() const { return shape.cell->has_memory(); }

  Status direct(bool given, int threads) {
    const auto all = parameters();
    return direct_stack_step<Scalar>(shape, all.data(), x.data(), given ? h0.data() : nullptr,
                                     given && has_memory() ? c0.data() : nullptr, h_n.data(),
                                     has_memory() ? c_n.data() : nullptr, threads);
  }
  void packed(bool given) {
    const std::unique_ptr<PackedStack<Scalar>> stack(PackedStack<Scalar>::create(shape));
    ASSERT_NE(stack, nullptr);
    const auto all = parameters();
    stack->pack(all.data(), 1);
    SequenceInput<Scalar> in = {};
    in.T = in.B = 1;
    in.x = x.data();
    in.h0 = given ? h0.data() : nullptr;
    in.c0 = given && has_memory() ? c0.data() : nullptr;
    const SequenceOutput<Scalar> out = {y.data(), shape.D * shape.H, shape.D * shape.H, h_n.data(),
                                        c_n.data()};
    ASSERT_EQ(stack_forward<Scalar>(*stack, in, out, {}, nullptr, 1), Status::ok);
  }

  StackShape shape;
  std::vector<Numbers> weights;  // w_ih, w_hh, b_ih, b_hh of each layer's direction
  Numbers x, h0, c0, h_n, c_n, y;
};

// Calls f(cell) for those whose steps are direct.
template <class F>
int for_direct_cells(const F& f) {
  int count = 0;
  for (int i = 0; i < cell_count; ++i)
    if (steps_directly(*cells[i])) f(*cells[i]), ++count;
  return count;
}

template <class Scalar>
void check_bits() {
  const int count = for_direct_cells([](const CellDescriptor& cell) {
    for (const auto& [I, H] : {std::pair<std::int64_t, std::int64_t>{1, 1},
                               {5, 7},
                               {16, 16},
                               {33, 64},
                               {64, 80},
                               {300, 257},
                               {530, 530}})
      for (const int D : {1, 2})
        for (const bool given : {false, true}) {
          SCOPED_TRACE(testing::Message() << cell.name << ", I = " << I << ", H = " << H
                                          << ", D = " << D << ", given " << given);
          Step<Scalar> expected(cell, I, H, 2, D, given), found(cell, I, H, 2, D, given);
          expected.packed(given);
          for (const int threads : {1, 3}) {
            ASSERT_EQ(found.direct(given, threads), Status::ok);
            ASSERT_EQ(found.h_n, expected.h_n);
            if (cell.has_memory()) {
              ASSERT_EQ(found.c_n, expected.c_n);
            }
          }
        }
  });
  EXPECT_EQ(count, 5);  // rnn_tanh, rnn_relu, gru, gru_simple, lstm
}

TEST(DirectStep, HasTheBitsOfPackedWeightsInFloat32) { check_bits<float>(); }
TEST(DirectStep, HasTheBitsOfPackedWeightsInFloat64) { check_bits<double>(); }

TEST(DirectStep, TellsOfEveryNumberThatIsNotFinite) {
  for_direct_cells([](const CellDescriptor& cell) {
    Step<float> step(cell, 19, 37, 1, 1, true);
    ASSERT_EQ(step.direct(true, 1), Status::ok);
    std::vector<std::vector<float>*> places = {&step.x, &step.h0};
    for (auto& one : step.weights) places.push_back(&one);
    for (auto* numbers : places)
      for (std::size_t i = 0; i < numbers->size(); i += 7)
        for (const float bad :
             {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
              std::numeric_limits<float>::quiet_NaN()}) {
          const float good = (*numbers)[i];
          (*numbers)[i] = bad;
          EXPECT_EQ(step.direct(true, 1), Status::not_finite) << cell.name << ", number " << i;
          (*numbers)[i] = good;
        }
    // What no state multiplies is looked at too.
    step.weights[1].back() = std::numeric_limits<float>::infinity();
    EXPECT_EQ(step.direct(false, 1), Status::not_finite) << cell.name;
  });
}

}  // namespace
}  // namespace rnnfast
