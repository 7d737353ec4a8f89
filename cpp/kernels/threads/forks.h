// Threads and memory of one instruction set's kernels, when a process forks.
#pragma once

#if !defined(_WIN32)
  #include <pthread.h>
#endif

#include "kernels/core/memory.h"
#include "kernels/threads/team.h"

namespace rnnfast {

// Registers what has to be done, once; false if there is no memory for it.
inline bool watch_forks() {
#if defined(_WIN32)  // which has no fork
  return true;
#else
  static const int registered = pthread_atfork(
      [] {
        Crew::before_fork();
        Memory::before_fork();
      },
      [] { Memory::after_fork(); },
      [] {
        Memory::after_fork();
        Crew::in_child();
      });
  return registered == 0;
#endif
}

}  // namespace rnnfast
