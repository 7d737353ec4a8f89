#include "kernels/rnn/cells/gru.h"

#include "kernels/rnn/register_cell.h"

namespace rnnfast {

RNNFAST_REGISTER(gru, Gru)
RNNFAST_REGISTER(gru_simple, GruSimple)
RNNFAST_REGISTER(gru_reset_before, GruResetBefore)

}  // namespace rnnfast
