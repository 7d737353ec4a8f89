// The one symbol of one instruction set's kernels that others in the library see.
#include "kernels/abi/small.h"
#include "kernels/abi/table.h"
#include "kernels/threads/forks.h"

namespace rnnfast {
extern const KernelTable kernel_table;
extern const SmallTables small_tables;
}  // namespace rnnfast

// Null if there is no memory.
extern "C" const rnnfast::LevelTables* RNNFAST_ENTRY() {
  static const rnnfast::LevelTables tables = {&rnnfast::kernel_table, &rnnfast::small_tables};
  return rnnfast::watch_forks() ? &tables : nullptr;
}
