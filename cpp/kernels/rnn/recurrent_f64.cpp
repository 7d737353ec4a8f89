#include "kernels/rnn/recurrent.h"

namespace rnnfast {

extern const RecurrentTable<double> recurrent_table_f64;
const RecurrentTable<double> recurrent_table_f64 = make_recurrent_table<double>();

}  // namespace rnnfast
