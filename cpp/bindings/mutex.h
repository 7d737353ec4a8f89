// Locks that a forked child can use.
#pragma once

#include <mutex>

namespace rnnfast {

// A mutex that is free in a forked child, whoever held it in the parent: that thread is not there
// to give it back.
class Mutex {
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() { mutex_.lock(); }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  friend class Mutexes;
  std::mutex mutex_;
  Mutex *before_ = nullptr, *after_ = nullptr;  // all that there are
};

// How many forks lie between this process and the one that imported the library: what was under way
// in another thread of an earlier one never ends.
int fork_generation();

// Lets forks free the mutexes, and calls `in_child`, which must not throw, in each child.
void watch_forks(void (*in_child)());

}  // namespace rnnfast
