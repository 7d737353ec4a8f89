// Which kernels the library runs on: chosen once, when they are first asked for.
#pragma once

#include "kernels/abi/small.h"
#include "kernels/abi/table.h"

namespace rnnfast::library {

// The best of this CPU, or those of RNNFAST_ISA; a Fault of RNNFAST_NO_KERNELS where there are
// none.
const KernelTable& kernels();
const SmallTables& small_kernels();

// Those of a level, null where there are none: one of two files says where they come from.
const LevelTables* find_kernels(const char* level);
// Where it looks for them, in words.
extern const char* const kKernelsPlace;

// Threads that a call may use.
int threads();
void set_threads(int count);

}  // namespace rnnfast::library
