#include "kernels/rnn/registry.h"

#include <iterator>

namespace rnnfast {

// The cells, a line each; all else about one is in its file in cells/.
// clang-format off
#define RNNFAST_CELLS(CELL) \
  CELL(rnn_tanh) \
  CELL(rnn_relu) \
  CELL(gru) \
  CELL(gru_reset_before) \
  CELL(gru_simple) \
  CELL(lstm) \
  CELL(lstm_peephole) \
  CELL(lstm_peephole_previous) \
  CELL(min_gru) \
  CELL(min_lstm) \
  CELL(sru) \
  CELL(qrnn_f) \
  CELL(qrnn_fo) \
  CELL(qrnn_ifo) \
  CELL(ind_rnn_tanh) \
  CELL(ind_rnn_relu) \
  CELL(zoneout_lstm) \
  CELL(zoneout_gru) \
  CELL(layer_norm_lstm) \
  CELL(layer_norm_gru) \
  CELL(rnn_general) \
  CELL(gru_general) \
  CELL(gru_general_before) \
  CELL(lstm_general) \
  CELL(lstm_general_peephole) \
  /* the end */
// clang-format on

#define RNNFAST_DECLARE(name) extern const RegisteredCell cell_##name;
RNNFAST_CELLS(RNNFAST_DECLARE)

#define RNNFAST_ADDRESS(name) &cell_##name,
const CellDescriptor* const cells[] = {RNNFAST_CELLS(RNNFAST_ADDRESS)};
const int cell_count = static_cast<int>(std::size(cells));

}  // namespace rnnfast
