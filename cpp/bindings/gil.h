// Letting go of the GIL, in threads that a process may end without.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#if defined(__GLIBCXX__)
  #include <cxxabi.h>
#endif

namespace rnnfast {

// Calls f, which may wait for the GIL. While the interpreter ends, no other thread gets it: before
// Python 3.14 the thread is ended on the spot, which unwinds its stack, and the first destructor on
// the way ends the process. Here it stays for ever, as since Python 3.14; the process ends with it.
template <class F>
decltype(auto) or_stay(const F& f) {
#if defined(__GLIBCXX__)
  try {
    return f();
  } catch (const abi::__forced_unwind&) {
    while (true) std::this_thread::sleep_for(std::chrono::hours(1));
  }
#else
  return f();  // there nothing is unwound
#endif
}

// Without the GIL from here to the end of the scope.
class WithoutGil {
 public:
  WithoutGil() : thread_(PyEval_SaveThread()) {}
  ~WithoutGil() { take(); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

  // Calls f, which throws nothing, with the GIL in between.
  template <class F>
  void with_gil(const F& f) {
    take();
    f();
    thread_ = PyEval_SaveThread();
  }

 private:
  void take() {
    or_stay([this] { PyEval_RestoreThread(thread_); });
  }

  PyThreadState* thread_;
};

}  // namespace rnnfast
