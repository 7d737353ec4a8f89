// One thread at a time in what a model does in Python between its passes.
#pragma once

#include <pybind11/pybind11.h>

namespace rnnfast {

// Where many threads ask models at once, each of the many small operations of NumPy in a call gives
// the GIL away, and to have it back takes longer than the operation. So threads wait for their turn
// to make such a call rather than for the GIL, and give the turn away for as long as their passes
// run without it.
//
// It is for speed alone: nobody waits longer than some milliseconds, then he goes on without it. So
// it may be held in whatever a caller's objects do.
class Turn {
 public:
  // Both with the GIL; a thread may enter again within.
  static void enter();
  static void leave();
  // Whether this thread has it, for tests: no result depends on it.
  static bool held();

  // Without the GIL, around what others may run beside: `pause` tells whether this thread had it.
  static bool pause();
  static void resume();

  // In the one thread of a forked child.
  static void in_child();
};

void bind_turn(pybind11::module_& m);

}  // namespace rnnfast
