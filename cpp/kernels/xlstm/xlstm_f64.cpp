#include "kernels/xlstm/tables.h"

namespace rnnfast {

extern const XlstmTable<double> xlstm_table_f64;
const XlstmTable<double> xlstm_table_f64 = make_xlstm_table<double>();

}  // namespace rnnfast
