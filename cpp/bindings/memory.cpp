#include "bindings/memory.h"

#include <pybind11/pybind11.h>
#if defined(_WIN32)
  #if !defined(NOMINMAX)
    #define NOMINMAX
  #endif
  #include <windows.h>
#else
  #include <sys/resource.h>
  #include <unistd.h>
#endif
#if defined(__linux__)
  #include <sys/sysinfo.h>
#endif

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>

namespace rnnfast {

namespace {

double machine_memory() {
#if defined(__linux__)
  struct sysinfo info;
  if (sysinfo(&info) == 0)
    return (static_cast<double>(info.totalram) + static_cast<double>(info.totalswap)) *
           static_cast<double>(info.mem_unit);
#endif
#if defined(_WIN32)
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  if (GlobalMemoryStatusEx(&status) != 0) return static_cast<double>(status.ullTotalPageFile);
#else
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) return static_cast<double>(pages) * static_cast<double>(size);
#endif
  return 0x1p47;  // what processors address
}

// What a container's files of limits say (cgroup v2, then v1); infinity where they say nothing.
double container_memory() {
  double limit = std::numeric_limits<double>::infinity();
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    if (double found; std::ifstream(path) >> found && found > 0) limit = std::min(limit, found);
  return limit;
}

}  // namespace

double memory_limit() {
  static const double there_is = std::min(machine_memory(), container_memory());
#if !defined(_WIN32)
  rlimit held;
  if (getrlimit(RLIMIT_AS, &held) == 0 && held.rlim_cur != RLIM_INFINITY)
    return std::min(there_is, static_cast<double>(held.rlim_cur));
#endif
  return there_is;
}

std::string text_of_bytes(double bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text,
                unit == 0     ? "%.0f %s"
                : bytes < 1e5 ? "%.1f %s"
                              : "%.1e %s",
                bytes, units[unit]);
  return text;
}

double bytes_of(std::initializer_list<std::int64_t> shape, std::size_t item) {
  double bytes = static_cast<double>(item);
  for (const std::int64_t size : shape) bytes *= static_cast<double>(size);
  return bytes;
}

void throw_memory_error(const std::string& message) {
  PyErr_SetString(PyExc_MemoryError, message.c_str());
  throw pybind11::error_already_set();
}

void require_memory(const std::string& what, double bytes) {
  const double limit = memory_limit();
  if (bytes > limit)
    throw_memory_error(what + " needs " + text_of_bytes(bytes) + ", more than the " +
                       text_of_bytes(limit) + " there are");
}

}  // namespace rnnfast
