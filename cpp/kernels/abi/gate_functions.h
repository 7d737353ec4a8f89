// What a general cell makes gates of: functions, and a bound of what goes into them, as ONNX's
// recurrent operators have them. Plain data that crosses the table.
#pragma once

#include <limits>

namespace rnnfast {

// Functions of x, with the numbers a (alpha) and b (beta).
enum class GateFunctionKind : int {
  sigmoid,           // 1 / (1 + exp(-x))
  tanh,              //
  relu,              // max(x, 0)
  affine,            // a x + b
  leaky_relu,        // x, below 0 a x
  thresholded_relu,  // x, below a 0
  scaled_tanh,       // a tanh(b x)
  hard_sigmoid,      // a x + b within [0, 1]
  elu,               // x, below 0 a (exp(x) - 1)
  softsign,          // x / (1 + |x|)
  softplus,          // log(1 + exp(x))
};
constexpr int kGateFunctionKinds = 11;

struct GateFunction {
  GateFunctionKind kind = GateFunctionKind::sigmoid;
  double alpha = 0, beta = 0;
};

// Of one direction.
struct GateFunctions {
  static constexpr int kMost = 3;
  GateFunction of[kMost];  // as many as the cell says: which is whose, its file does
  double clip = std::numeric_limits<double>::infinity();  // bound of what goes into those of gates
  bool coupled = false;  // whether the forget gate is 1 less the input gate
};

}  // namespace rnnfast
