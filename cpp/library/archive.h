// A safetensors file that Python wrote, checked before anything is made of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "library/json.h"

namespace rnnfast::library {

struct Tensor {
  std::string dtype;  // as safetensors names it
  std::vector<std::int64_t> shape;
  std::string_view bytes;

  std::int64_t count() const {
    std::int64_t n = 1;
    for (const std::int64_t size : shape) n *= size;
    return n;
  }
};

// Arrays by name, and the description of what they are.
struct Archive {
  std::string kind;  // "layers", "model"
  Json content;
  std::map<std::string, Tensor> tensors;  // of the bytes that it was read from
};

// Throws a Fault where the bytes are cut short or damaged, of something else or of another format.
Archive read_archive(std::string_view bytes);

// The whole of a file.
std::string read_file(const char* path);

}  // namespace rnnfast::library
