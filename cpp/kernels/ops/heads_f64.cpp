#include "kernels/ops/heads.h"

namespace rnnfast {

extern const HeadsTable<double> heads_table_f64;
const HeadsTable<double> heads_table_f64 = make_heads_table<double>();

}  // namespace rnnfast
