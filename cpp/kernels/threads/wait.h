// How threads of a team wait for each other.
//
// Cores are usually a fraction of a microsecond apart: a thread that waits spins, and on a busy
// machine yields. One wait is different: for threads that have slept since the last region. They
// may have been woken on the core of the one that woke them, because idle processors of a virtual
// machine look taken, and would get it only milliseconds later. So whoever waits in vain for
// threads that have not begun sleeps, and those that find themselves on its core leave it.
#pragma once

#if defined(__linux__)
  #include <linux/futex.h>
  #include <sched.h>
  #include <sys/syscall.h>
  #include <time.h>
  #include <unistd.h>
#endif

#include <atomic>
#include <cstdint>
#include <thread>

#include "kernels/core/simd.h"
#include "kernels/threads/crowd.h"

namespace rnnfast {

#if defined(__linux__)
inline int current_cpu() { return sched_getcpu(); }

// Moves the calling thread elsewhere if it runs on `cpu` and may run elsewhere.
inline void leave_cpu(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getcpu() != cpu) return;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(cpu), &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}

// Sleeps while `word` has that value, for half a millisecond at most.
inline void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  const timespec longest{0, 500000};
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, &longest, nullptr, 0);
}
inline void wake_all(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}
#else
inline int current_cpu() { return -1; }
inline void leave_cpu(int) {}
inline void sleep_on(std::atomic<std::uint32_t>&, std::uint32_t) { std::this_thread::yield(); }
inline void wake_all(std::atomic<std::uint32_t>&) {}
#endif

// The beginning of a region: who has come.
class Meeting {
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

 public:
  // Made by the thread of rank 0, in whose region the others will be.
  Meeting() : last_cpu_(current_cpu()) {}

  // Told by each of `size` threads as it begins.
  void begin(int rank, int size) {
    others_.store(static_cast<std::uint32_t>(size - 1), std::memory_order_relaxed);
    here() = this;
    if (rank == 0) return;
    leave_cpu(last_cpu_.load(std::memory_order_relaxed));
    if (come_.fetch_add(1, std::memory_order_acq_rel) + 2 < static_cast<std::uint32_t>(size))
      return;
    last_cpu_.store(current_cpu(), std::memory_order_relaxed);
    if (!asleep_.load(std::memory_order_seq_cst)) return;
    wake_all(come_);
    std::this_thread::yield();  // to one that woke up on this core, so that it can leave
  }
  static void end() { here() = nullptr; }

  // Returns when all threads of the caller's region have begun.
  static void wait() {
    if (here() != nullptr) here()->wait_for_all();
  }

 private:
  static Meeting*& here() {
    static thread_local Meeting* meeting = nullptr;
    return meeting;
  }

  void wait_for_all() {
    const std::uint32_t others = others_.load(std::memory_order_relaxed);
    std::uint32_t come = come_.load(std::memory_order_acquire);
    if (come == others) return;
    asleep_.store(true, std::memory_order_seq_cst);
    for (; come != others; come = come_.load(std::memory_order_acquire)) sleep_on(come_, come);
    leave_cpu(last_cpu_.load(std::memory_order_relaxed));
  }

  std::atomic<std::uint32_t> come_{0}, others_{0};
  std::atomic<int> last_cpu_;  // of rank 0, then of the last to come
  std::atomic<bool> asleep_{false};
};

// Takes some nanoseconds and little of what a core's other threads could use.
inline void relax() {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");  // `yield` takes no time at all
#endif
}

template <class Done>
void wait_until(const Done& done) {
  constexpr int sign_of_sleep = 200, patience = 2000;  // 10 and 90 microseconds
  for (int spins = 0; spins < sign_of_sleep; ++spins) {
    if (done()) return;
    relax();
  }
  const auto begin = Crowd::now();
  Meeting::wait();
  for (int spins = sign_of_sleep; spins < patience && !done(); ++spins) relax();
  while (!done()) std::this_thread::yield();
  Crowd::tell(begin);
}

// All of `size` threads arrive before any goes on.
class Barrier {
 public:
  void resize(int size) { size_.store(size, std::memory_order_relaxed); }
  void wait() {
    wait([] {});
  }
  // The same, doing `meanwhile` what needs no one else.
  template <class F>
  void wait(const F& meanwhile) {
    const int size = size_.load(std::memory_order_relaxed);
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (size > 1 && arrived_.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
    }
    meanwhile();
    if (size > 1) wait_until([&] { return phase_.load(std::memory_order_acquire) != phase; });
  }

 private:
  std::atomic<int> size_{1};
  alignas(128) std::atomic<int> arrived_{0};
  alignas(128) std::atomic<unsigned> phase_{0};
};

}  // namespace rnnfast
