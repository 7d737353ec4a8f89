#include "library/archive.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "library/fault.h"
#include "library/sha256.h"

namespace rnnfast::library {

namespace {

constexpr std::uint64_t kLongestHeader = 100'000'000;  // as safetensors has it
constexpr std::int64_t kFormat = 1;                    // FORMAT_VERSION of io/tensors.py
constexpr std::size_t kMostAxes = 8;

struct Type {
  const char *name, *numpy;
  std::int64_t bytes;
};
constexpr Type kTypes[] = {
    {"F32", "<f4", 4}, {"F64", "<f8", 8},  {"F16", "<f2", 2}, {"I64", "<i8", 8}, {"I32", "<i4", 4},
    {"I16", "<i2", 2}, {"I8", "|i1", 1},   {"U64", "<u8", 8}, {"U32", "<u4", 4}, {"U16", "<u2", 2},
    {"U8", "|u1", 1},  {"BOOL", "|b1", 1}, {"BF16", "<u2", 2}};

const Type& type_of(const std::string& name) {
  for (const Type& type : kTypes)
    if (name == type.name) return type;
  fail_unsupported("file: expected arrays of float32 or float64, got " + shown(name));
}

// Where a tensor begins and ends, relative to the end of the header.
using Place = std::pair<std::uint64_t, std::uint64_t>;

Place read_tensor(const std::string& name, const Json& entry, Tensor& tensor) {
  tensor.dtype = entry.at("dtype").string("dtype");
  const Type& type = type_of(tensor.dtype);
  std::int64_t bytes = type.bytes;
  const auto& shape = entry.at("shape").array("shape");
  if (shape.size() > kMostAxes) fail_file("file: expected arrays of few axes, got many");
  for (const Json& item : shape) {
    const std::int64_t size = item.integer("shape");
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes))
      fail_file("file: expected sizes that memory can have, got others of " + shown(name));
    tensor.shape.push_back(size);
  }
  const auto& offsets = entry.at("data_offsets").array("data_offsets");
  if (offsets.size() != 2) fail_file("file: expected two data_offsets of " + shown(name));
  const std::int64_t begin = offsets[0].integer("data_offsets"),
                     end = offsets[1].integer("data_offsets");
  if (begin < 0 || end < begin || end - begin != bytes)
    fail_file("file: expected data_offsets that fit the shape of " + shown(name) + ", got others");
  return {static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
}

std::string digest_of(const std::map<std::string, Tensor>& tensors, std::string_view content) {
  Sha256 sum;
  for (const auto& [name, tensor] : tensors) {
    std::string line = name + " " + type_of(tensor.dtype).numpy + " (";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      line += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
    line += tensor.shape.size() == 1 ? ",);" : ");";
    sum.add(line.data(), line.size());
    sum.add(tensor.bytes.data(), tensor.bytes.size());
  }
  sum.add(content.data(), content.size());
  return sum.digest();
}

}  // namespace

Archive read_archive(std::string_view bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < 8)
    fail_file("file: expected a safetensors file, got " + std::to_string(bytes.size()) + " bytes");
  for (int i = 7; i >= 0; --i)
    length = length << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  if (length > kLongestHeader || length > bytes.size() - 8)
    fail_file("file: damaged, cut short or not a safetensors file");
  const std::string_view header_text = bytes.substr(8, length), data = bytes.substr(8 + length);
  const Json header = Json::parse("file", header_text);
  Archive archive;
  std::string metadata;
  std::vector<Place> places;
  for (const auto& [name, entry] : header.object("file")) {
    if (name == "__metadata__") {
      if (const Json* own = entry.find("rnnfast")) metadata = own->string("rnnfast");
      continue;
    }
    Tensor tensor;
    const Place place = read_tensor(name, entry, tensor);
    if (place.second > data.size()) fail_file("file: cut short, " + shown(name) + " is not whole");
    tensor.bytes = data.substr(place.first, place.second - place.first);
    places.push_back(place);
    archive.tensors.emplace(name, std::move(tensor));
  }
  std::sort(places.begin(), places.end());
  std::uint64_t at = 0;
  for (const Place& place : places) {
    if (place.first != at) fail_file("file: expected arrays one after the other, got others");
    at = place.second;
  }
  if (at != data.size()) fail_file("file: expected nothing behind the arrays, got more bytes");
  if (metadata.empty())
    fail_unsupported("file: expected one that rnnfast wrote, got a safetensors file of others");

  Json own = Json::parse("rnnfast", metadata);
  archive.kind = own.at("kind").string("kind");
  const std::int64_t version = own.at("version").integer("version");
  if (version != kFormat)
    fail(RNNFAST_UNKNOWN_FORMAT, "file: expected format version " + std::to_string(kFormat) +
                                     ", got " + std::to_string(version) +
                                     "; another version of rnnfast wrote it");
  const Json& content = own.at("content");
  content.object("content");
  const auto described =
      std::string_view(metadata).substr(content.begin(), content.end() - content.begin());
  if (own.at("sha256").string("sha256") != digest_of(archive.tensors, described))
    fail_file("file: damaged: its content does not match its checksum");
  archive.content = content;
  archive.tensors.erase("nothing");
  return archive;
}

std::string read_file(const char* path) {
  const auto failed = [path](int reason) {
    fail(RNNFAST_CANNOT_READ, "path: expected a file that can be read, got " + shown(path) + ": " +
                                  std::generic_category().message(reason));
  };
  errno = 0;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "rb"), std::fclose);
  if (file == nullptr) failed(errno);
  std::string content;
  std::vector<char> piece(1 << 20);
  std::size_t count = 0;
  while ((count = std::fread(piece.data(), 1, piece.size(), file.get())) > 0)
    content.append(piece.data(), count);
  if (std::ferror(file.get()) != 0) failed(errno);
  return content;
}

}  // namespace rnnfast::library
