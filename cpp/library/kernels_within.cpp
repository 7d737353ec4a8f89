// The kernels of each level stand in the library itself: files of objects that are linked in part,
// of which all symbols but one are local.
#include <cstring>

#include "library/kernels.h"

#define RNNFAST_LEVEL(level) extern "C" const rnnfast::LevelTables* rnnfast_kernels_##level();
RNNFAST_EACH_LEVEL
#undef RNNFAST_LEVEL

namespace rnnfast::library {

const char* const kKernelsPlace = "within this library";

const LevelTables* find_kernels(const char* level) {
#define RNNFAST_LEVEL(name) \
  if (std::strcmp(level, #name) == 0) return rnnfast_kernels_##name();
  RNNFAST_EACH_LEVEL
#undef RNNFAST_LEVEL
  return nullptr;
}

}  // namespace rnnfast::library
