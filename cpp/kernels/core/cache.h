// The machine's caches.
#pragma once

#if !defined(_WIN32)
  #include <unistd.h>
#endif

#include <cstdint>

namespace rnnfast {

// Bytes of a core's own cache.
inline std::int64_t core_cache_bytes() {
  static const std::int64_t bytes = [] {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const long found = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (found > 0) return static_cast<std::int64_t>(found);
#endif
    return std::int64_t(1) << 20;
  }();
  return bytes;
}

}  // namespace rnnfast
