// What goes wrong inside the library: a status for the caller, and a line that says what.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "rnnfast/rnnfast.h"

namespace rnnfast::library {

class Fault : public std::exception {
 public:
  Fault(rnnfast_status status, std::string message)
      : status_(status), message_(std::move(message)) {}
  rnnfast_status status() const { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  rnnfast_status status_;
  std::string message_;
};

[[noreturn]] inline void fail(rnnfast_status status, std::string message) {
  throw Fault(status, std::move(message));
}
// A file that is damaged, or that says what cannot be.
[[noreturn]] inline void fail_file(std::string message) {
  fail(RNNFAST_BAD_FILE, std::move(message));
}
// A file of something that the library does not do.
[[noreturn]] inline void fail_unsupported(std::string message) {
  fail(RNNFAST_UNSUPPORTED, std::move(message));
}
[[noreturn]] inline void fail_argument(std::string message) {
  fail(RNNFAST_INVALID_ARGUMENT, std::move(message));
}

// Text of a file as it may stand in a message: one line of ASCII, not too long.
inline std::string shown(const std::string& text) {
  std::string line = "'";
  for (const char c : text) {
    if (line.size() > 60) return line + "...'";
    const auto code = static_cast<unsigned char>(c);
    line += code < 32 || code > 126 ? '?' : c;
  }
  return line + "'";
}

}  // namespace rnnfast::library
