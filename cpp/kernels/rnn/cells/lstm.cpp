#include "kernels/rnn/cells/lstm.h"

#include "kernels/rnn/register_cell.h"

namespace rnnfast {

RNNFAST_REGISTER(lstm, Lstm<Peephole::none>)
RNNFAST_REGISTER(lstm_peephole, Lstm<Peephole::current>)
RNNFAST_REGISTER(lstm_peephole_previous, Lstm<Peephole::previous>)

}  // namespace rnnfast
