// Memory of new arrays that is kept for the next ones when they are gone. The heap hands what ends
// it back to the system again and again, which clears each page anew: a tenth of a training step.
#pragma once

#include <pybind11/pybind11.h>

namespace rnnfast {

// To be called once, as the module begins.
void keep_array_memory();

// While it lives, what NumPy allocates on this thread comes from what is kept, if that is large.
class ArrayMemory {
 public:
  explicit ArrayMemory(double bytes);
  ~ArrayMemory();
  ArrayMemory(const ArrayMemory&) = delete;
  ArrayMemory& operator=(const ArrayMemory&) = delete;

 private:
  PyObject* before_ = nullptr;  // what allocated before, or null
};

}  // namespace rnnfast
