#include "kernels/rnn/cells/rnn.h"

#include "kernels/rnn/register_cell.h"

namespace rnnfast {

RNNFAST_REGISTER(rnn_tanh, Rnn<Nonlinearity::tanh>)
RNNFAST_REGISTER(rnn_relu, Rnn<Nonlinearity::relu>)

}  // namespace rnnfast
