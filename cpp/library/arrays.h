// The arrays of a file, each taken once, by whoever knows what shape it has to have.
#pragma once

#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "library/archive.h"
#include "library/fault.h"
#include "library/memory.h"

namespace rnnfast::library {

inline std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

class Arrays {
 public:
  explicit Arrays(const std::map<std::string, Tensor>& tensors) : tensors_(tensors) {}

  // The shape of an array; empty where there is none of that name.
  std::vector<std::int64_t> shape(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::vector<std::int64_t>() : found->second.shape;
  }

  // A copy; a Fault where there is none, or its type or shape is another.
  template <class Scalar>
  Block<Scalar> take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail_file(shown(name) + ": expected this array, got none");
    const Tensor& tensor = found->second;
    const char* const dtype = sizeof(Scalar) == 4 ? "F32" : "F64";
    if (tensor.dtype != dtype)
      fail_file(shown(name) + ": expected dtype " + dtype + ", got " + tensor.dtype);
    if (tensor.shape != shape)
      fail_file(shown(name) + ": expected shape " + text_of(shape) + ", got " +
                text_of(tensor.shape));
    Block<Scalar> numbers(tensor.count());
    std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
    for (std::int64_t i = 0; i < numbers.size(); ++i)
      if (!std::isfinite(numbers.data()[i])) fail_file(shown(name) + ": expected finite numbers");
    taken_.insert(name);
    return numbers;
  }

  void require_all_taken() const {
    for (const auto& [name, tensor] : tensors_)
      if (taken_.count(name) == 0)
        fail_unsupported(shown(name) + ": expected arrays that this library knows, got another");
  }

 private:
  const std::map<std::string, Tensor>& tensors_;
  std::set<std::string> taken_;
};

}  // namespace rnnfast::library
