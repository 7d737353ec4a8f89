// Threads to be had for a region.
//
// OpenMP ends the process where it cannot start a thread, as when a user may have no more of them.
// So threads that a region would have to start are tried out before: one that cannot be had is done
// without. And OpenMP's threads are not there in a forked child, which would wait for them for
// ever: they are let go before a fork, so that both processes start new ones when they need them.
#pragma once

#include <omp.h>
#if defined(__linux__)
  #include <sched.h>
  #include <sys/syscall.h>
  #include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/threads/crowd.h"

namespace rnnfast {

class Crew {
 public:
  // How many of `threads`, the caller among them, its next region can have.
  static int hire(int threads) {
    if (has(threads)) return threads;
    if (!possible()) return 1;
    return size() += Trial().start(threads - size());
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
  static constexpr int kMost = 1024;  // threads of a call

  // Threads that begin, wait until all have begun, and end.
  class Trial {
   public:
    Trial() { gate_.lock(); }
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    // How many of `count` there are when all are there at once. They are gone on return.
    int start(int count) {
      count = std::min(count, kMost);
      int begun = 0;
      while (begun < count && begin(threads_[begun])) ++begun;
      gate_.unlock();
      for (int i = 0; i < begun; ++i) threads_[i].join();
#if defined(__linux__)
      // A thread that was joined still counts until the system has forgotten it, soon.
      int patience = 100000;
      for (int i = 0; i < begun; ++i)
        while (syscall(SYS_tgkill, getpid(), numbers_[i], 0) == 0 && --patience > 0) sched_yield();
#endif
      return begun;
    }

   private:
    // Whether it could be had.
    bool begin(std::thread& thread) {
      try {
        thread = std::thread(&Trial::run, this);
      } catch (const std::exception&) {  // the system's limit, or no memory
        return false;
      }
      return true;
    }

    void run() {
#if defined(__linux__)
      numbers_[told_++] = static_cast<int>(syscall(SYS_gettid));
#endif
      const std::scoped_lock lock(gate_);
    }

    std::mutex gate_;
    std::thread threads_[kMost];
    int numbers_[kMost];  // what the system calls them
    std::atomic<int> told_{0};
  };

  // The caller and the threads that OpenMP keeps for it.
  static int& size() {
    static thread_local int threads = 1;
    return threads;
  }

  inline static std::atomic<bool> possible_{true};
  inline static bool left_ = true;  // whether the thread that forks let its threads go
};

}  // namespace rnnfast
