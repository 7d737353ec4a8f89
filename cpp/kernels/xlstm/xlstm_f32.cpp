#include "kernels/xlstm/tables.h"

namespace rnnfast {

extern const XlstmTable<float> xlstm_table_f32;
const XlstmTable<float> xlstm_table_f32 = make_xlstm_table<float>();

}  // namespace rnnfast
