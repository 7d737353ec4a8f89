// Memory at multiples of a power of two, which Windows takes back by a function of its own.
#pragma once

#include <cstddef>
#include <cstdlib>

#if defined(_WIN32)
  #include <malloc.h>
#endif

namespace rnnfast {

// Null if there is not so much.
inline void* aligned_allocate(std::size_t alignment, std::size_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, alignment);
#else
  void* data = nullptr;
  return posix_memalign(&data, alignment, bytes) == 0 ? data : nullptr;
#endif
}

inline void aligned_free(void* data) {
#if defined(_WIN32)
  _aligned_free(data);
#else
  std::free(data);
#endif
}

}  // namespace rnnfast
