// New arrays. The memory of large ones is kept for the next when they are gone: the heap hands what
// ends it back to the system again and again, which clears each page anew.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rnnfast {

// To be called once, as the module begins.
void keep_array_memory();

std::string text_of(const std::vector<std::int64_t>& shape);

// A new C-contiguous array, not initialised; `what` it is, if there is no memory for it.
pybind11::array new_array(const char* what, const pybind11::dtype& dtype,
                          const std::vector<std::int64_t>& shape);

}  // namespace rnnfast
