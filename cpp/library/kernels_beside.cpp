// The kernels are those of the Python package, modules in the folder above the library's: a wheel
// has them once. A module of which nothing but its table is wanted needs no Python.
#include <dlfcn.h>

#include <string>

#include "library/kernels.h"

namespace rnnfast::library {

const char* const kKernelsPlace = "in the folder above this library's";

const LevelTables* find_kernels(const char* level) {
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&find_kernels), &here) == 0 || here.dli_fname == nullptr)
    return nullptr;
  const std::string path(here.dli_fname);
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string module = folder + "/../_kernels_" + level + RNNFAST_MODULE_SUFFIX;
  // Never closed: models and streams are made of its functions.
  void* const opened = dlopen(module.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (opened == nullptr) return nullptr;
  using Kernels = const LevelTables* (*)();
  void* const found = dlsym(opened, "rnnfast_kernels");
  return found == nullptr ? nullptr : reinterpret_cast<Kernels>(found)();
}

}  // namespace rnnfast::library
