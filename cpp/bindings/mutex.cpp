#include "bindings/mutex.h"

#if !defined(_WIN32)
  #include <pthread.h>
#endif

#include <atomic>
#include <new>

namespace rnnfast {

namespace {
std::atomic<int> generation{0};
void (*then)() = nullptr;
}  // namespace

// All mutexes, in a list of their own.
class Mutexes {
 public:
  static void add(Mutex& mutex) {
    const std::scoped_lock lock(list_);
    mutex.after_ = first_;
    if (first_ != nullptr) first_->before_ = &mutex;
    first_ = &mutex;
  }
  static void remove(Mutex& mutex) {
    const std::scoped_lock lock(list_);
    if (mutex.after_ != nullptr) mutex.after_->before_ = mutex.before_;
    (mutex.before_ != nullptr ? mutex.before_->after_ : first_) = mutex.after_;
  }
  // A fork finds the list whole.
  static void before_fork() { list_.lock(); }
  static void in_parent() { list_.unlock(); }
  static void in_child() {
    // The one thread of the child; what other threads held is free, not destroyed, as they used it.
    for (Mutex* mutex = first_; mutex != nullptr; mutex = mutex->after_)
      new (&mutex->mutex_) std::mutex;
    list_.unlock();
    ++generation;
    then();
  }

 private:
  inline static std::mutex list_;
  inline static Mutex* first_ = nullptr;
};

Mutex::Mutex() { Mutexes::add(*this); }
Mutex::~Mutex() { Mutexes::remove(*this); }

int fork_generation() { return generation.load(std::memory_order_relaxed); }

void watch_forks(void (*in_child)()) {
  then = in_child;
#if !defined(_WIN32)  // which has no fork
  pthread_atfork(Mutexes::before_fork, Mutexes::in_parent, Mutexes::in_child);
#endif
}

}  // namespace rnnfast
