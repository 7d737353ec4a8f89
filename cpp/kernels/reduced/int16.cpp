#include "kernels/reduced/table.h"

namespace rnnfast::reduced {

extern const ReducedNumbers numbers_int16;
const ReducedNumbers numbers_int16 = make_numbers<Int16>("int8-16");

}  // namespace rnnfast::reduced
