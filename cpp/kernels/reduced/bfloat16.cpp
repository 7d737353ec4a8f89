#include "kernels/reduced/table.h"

namespace rnnfast::reduced {

extern const ReducedNumbers numbers_bfloat16;
const ReducedNumbers numbers_bfloat16 = make_numbers<BFloat16>("bfloat16");

}  // namespace rnnfast::reduced
