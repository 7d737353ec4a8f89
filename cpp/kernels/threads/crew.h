// Threads to be had for a region.
//
// OpenMP ends the process where it cannot start a thread, as when a user may have no more of them.
// So threads that a region would have to start are tried out before: one that cannot be had is done
// without. And OpenMP's threads are not there in a forked child, which would wait for them for
// ever: they are let go before a fork, so that both processes start new ones when they need them.
#pragma once

#include <omp.h>

#include <atomic>

#include "kernels/threads/crowd.h"

namespace rnnfast {

class Crew {
 public:
  // How many of `threads`, the caller among them, its next region can have.
  static int hire(int threads) {
    if (has(threads)) return threads;
    if (!possible()) return 1;
    return size() += try_out(threads - size());
  }
  // Whether the caller's next region has them without starting any.
  static bool has(int threads) { return threads <= size(); }
  // The caller's region has so many threads: OpenMP keeps these and lets others go.
  static void keep(int threads) { size() = threads; }

  // Whether there may be others at all.
  static bool possible() { return possible_.load(std::memory_order_relaxed); }

  static void before_fork() {
    left_ = size() == 1 || omp_pause_resource_all(omp_pause_hard) == 0;
    if (left_) size() = 1;
  }
  static void in_child() {
    Crowd::here().forget();
    if (!left_) possible_.store(false, std::memory_order_relaxed);
  }

 private:
  // How many of `count` threads there are when all are there at once; they are gone on return.
  static int try_out(int count);

  // The caller and the threads that OpenMP keeps for it.
  static int& size() {
    static thread_local int threads = 1;
    return threads;
  }

  inline static std::atomic<bool> possible_{true};
  inline static bool left_ = true;  // whether the thread that forks let its threads go
};

}  // namespace rnnfast
