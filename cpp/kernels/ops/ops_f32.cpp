#include "kernels/ops/tables.h"

namespace rnnfast {

template void fill_ops(Tables<float>&);

}  // namespace rnnfast
