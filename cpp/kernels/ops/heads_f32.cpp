#include "kernels/ops/heads.h"

namespace rnnfast {

extern const HeadsTable<float> heads_table_f32;
const HeadsTable<float> heads_table_f32 = make_heads_table<float>();

}  // namespace rnnfast
