#include "kernels/rnn/recurrent.h"

namespace rnnfast {

extern const RecurrentTable<float> recurrent_table_f32;
const RecurrentTable<float> recurrent_table_f32 = make_recurrent_table<float>();

}  // namespace rnnfast
