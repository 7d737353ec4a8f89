// Around each function of the C interface: nothing is thrown out of it.
#pragma once

#include <new>
#include <stdexcept>

#include "library/fault.h"
#include "library/model.h"
#include "library/steps.h"

struct rnnfast_model {
  rnnfast::library::Model model;
};
struct rnnfast_stream {
  rnnfast::library::StreamState state;
};

namespace rnnfast::library {

// Keeps a line for rnnfast_last_error, and returns the status.
rnnfast_status failed(rnnfast_status status, const char* message) noexcept;

template <class Call>
rnnfast_status called(const Call& call) noexcept {
  try {
    call();
    return RNNFAST_OK;
  } catch (const Fault& fault) {
    return failed(fault.status(), fault.what());
  } catch (const std::bad_alloc&) {
    return failed(RNNFAST_OUT_OF_MEMORY, "this call needs more memory than there is");
  } catch (const std::length_error&) {
    return failed(RNNFAST_OUT_OF_MEMORY, "this call needs more memory than there can be");
  } catch (const std::exception& error) {
    return failed(RNNFAST_INVALID_ARGUMENT, error.what());
  }
}

inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) fail_argument(std::string(name) + ": expected memory, got NULL");
}

template <class Scalar>
void require_type(const Model& model) {
  if (model.is_double() != (sizeof(Scalar) == 8))
    fail(RNNFAST_WRONG_TYPE, model.is_double()
                                 ? "model: expected the functions of _f64, got others"
                                 : "model: expected the functions of float, got _f64");
}

// Hands items over to the caller's memory.
template <class Item>
void hand_over(const std::vector<Item>& items, Item* to, std::int64_t capacity,
               std::int64_t* count) {
  *count = static_cast<std::int64_t>(items.size());
  if (*count > capacity)
    fail(RNNFAST_TOO_SMALL, "capacity: expected at least " + std::to_string(*count) + ", got " +
                                std::to_string(capacity));
  std::copy(items.begin(), items.end(), to);
}

}  // namespace rnnfast::library
