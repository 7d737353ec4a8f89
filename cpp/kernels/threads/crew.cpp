#include "kernels/threads/crew.h"

#if defined(__linux__)
  #include <sched.h>
  #include <sys/syscall.h>
  #include <unistd.h>
#endif

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

namespace rnnfast {

namespace {

constexpr int kMost = 1024;  // threads of a call

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

}  // namespace

int Crew::try_out(int count) { return Trial().start(count); }

}  // namespace rnnfast
