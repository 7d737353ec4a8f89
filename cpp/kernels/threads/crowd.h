// Whether the threads of a region get the cores that they want.
//
// A region is as slow as its slowest thread. Where another process, or threads of another library,
// have one of the cores, the others wait for whole slices of the scheduler's time, and a call takes
// longer than one thread would by itself. So every region tells how long its threads waited for
// each other; where that was most of the time, more often than now and then, calls have one thread
// for a while, a longer one each time that looking again found no change.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace rnnfast {

class Crowd {
 public:
  using Nanoseconds = std::int64_t;

  static constexpr Nanoseconds kShortest = 30'000;        // that counts as a wait
  static constexpr Nanoseconds kWorth = 200'000;          // a shorter region tells nothing
  static constexpr Nanoseconds kFirstPause = 10'000'000;  // with one thread
  static constexpr Nanoseconds kLastPause = 1'000'000'000;

  static Crowd& here() {
    static Crowd crowd;
    return crowd;
  }
  static Nanoseconds now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

  // How many of `threads` a call that begins at that time should have.
  int admit(int threads, Nanoseconds at) const {
    return at < alone_until_.load(std::memory_order_relaxed) ? 1 : threads;
  }
  int admit(int threads) const {
    if (threads <= 1 || alone_until_.load(std::memory_order_relaxed) == 0) return threads;
    return admit(threads, now());
  }

  // A region of so many threads has ended, in which the long waits of all add up to `waited`.
  void judge(int threads, Nanoseconds begin, Nanoseconds end, Nanoseconds waited) {
    // To wake threads that have slept takes a short region's time on cores of their own too.
    if (end - begin < kWorth) return;
    if (waited == 0 && doubts_.load(std::memory_order_relaxed) == 0) return;
    // Where each thread waits for this share of the time, one would have been about as fast.
    const double much = 0.9 - 1.0 / threads;
    const double share = static_cast<double>(waited) / (threads - 1);
    if (share <= much * static_cast<double>(end - begin)) {
      if (doubts_.load(std::memory_order_relaxed) > 0 &&
          doubts_.fetch_sub(1, std::memory_order_relaxed) <= 1)
        pause_.store(kFirstPause, std::memory_order_relaxed);
      return;
    }
    if (doubts_.fetch_add(kDoubt, std::memory_order_relaxed) + kDoubt < kMost) return;
    const Nanoseconds pause = pause_.load(std::memory_order_relaxed);
    alone_until_.store(end + pause, std::memory_order_relaxed);
    pause_.store(std::min(2 * pause, kLastPause), std::memory_order_relaxed);
    doubts_.store(kMost - kDoubt, std::memory_order_relaxed);  // the next one is enough
  }

  // In a forked child, whose threads are new.
  void forget() {
    doubts_.store(0, std::memory_order_relaxed);
    alone_until_.store(0, std::memory_order_relaxed);
    pause_.store(kFirstPause, std::memory_order_relaxed);
  }

  // The long waits of the calling thread in its region; told where one ends.
  static Nanoseconds& own_waits() {
    static thread_local Nanoseconds sum = 0;
    return sum;
  }
  static void tell(Nanoseconds begin) {
    const Nanoseconds wait = now() - begin;
    if (wait >= kShortest) own_waits() += wait;
  }

 private:
  // A region that waited counts as much as two that did not.
  static constexpr int kDoubt = 2, kMost = 4;

  std::atomic<int> doubts_{0};
  std::atomic<Nanoseconds> alone_until_{0}, pause_{kFirstPause};
};

}  // namespace rnnfast
