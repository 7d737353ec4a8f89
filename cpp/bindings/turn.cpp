#include "bindings/turn.h"

#include <chrono>
#include <mutex>
#include <new>

#include "bindings/gil.h"

namespace rnnfast {

namespace {

constexpr std::chrono::milliseconds kLongestWait{20};
std::timed_mutex turn;
thread_local int turn_depth = 0;
thread_local bool has_turn = false;

}  // namespace

void Turn::enter() {
  if (turn_depth++ > 0) return;
  has_turn = turn.try_lock();
  if (has_turn) return;
  {
    const WithoutGil release;
    resume();
  }
  if (PyErr_CheckSignals() != 0) {  // an interrupt, while nobody has begun
    leave();
    throw pybind11::error_already_set();
  }
}

void Turn::leave() {
  if (turn_depth == 0) return;
  --turn_depth;
  if (turn_depth == 0) pause();
}

bool Turn::held() { return has_turn; }

bool Turn::pause() {
  if (!has_turn) return false;
  has_turn = false;
  turn.unlock();
  return true;
}

void Turn::resume() { has_turn = turn.try_lock_for(kLongestWait); }

void Turn::in_child() {
  new (&turn) std::timed_mutex;  // not destroyed, as whoever had it used it
  has_turn = false;
}

void bind_turn(pybind11::module_& m) {
  m.def("enter_turn", &Turn::enter);
  m.def("leave_turn", &Turn::leave);
  m.def("has_turn", &Turn::held);
}

}  // namespace rnnfast
