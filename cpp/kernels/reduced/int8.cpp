#include "kernels/reduced/table.h"

namespace rnnfast::reduced {

extern const ReducedNumbers numbers_int8;
const ReducedNumbers numbers_int8 = make_numbers<Int8>("int8");

}  // namespace rnnfast::reduced
