// What is read here of DLPack, by which libraries show one another their tensors: the layout in
// memory of its version 1, whose minor versions only add to the end.
#pragma once

#include <cstdint>

namespace rnnfast::dlpack {

constexpr char kCapsule[] = "dlpack_exchange_api";
constexpr std::uint32_t kMajor = 1, kMinor = 3;
constexpr std::int32_t kCpu = 1;
constexpr std::uint8_t kFloat = 2;

struct Version {
  std::uint32_t major, minor;
};

struct Tensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t ndim;
  std::uint8_t code, bits;  // of the dtype
  std::uint16_t lanes;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements
  std::uint64_t byte_offset;
};

template <class Scalar>
const Scalar* numbers(const Tensor& tensor) {
  return reinterpret_cast<const Scalar*>(static_cast<const char*>(tensor.data) +
                                         tensor.byte_offset);
}

struct ManagedTensor {
  Version version;
  void* owner;
  void (*deleter)(ManagedTensor*);
  std::uint64_t flags;
  Tensor tensor;
};

// A library's functions; each gives 0, or sets an exception. They need the GIL.
struct ExchangeApi {
  Version version;
  ExchangeApi* previous;
  int (*allocate)(Tensor* like, ManagedTensor** out, void* context,
                  void (*on_error)(void*, const char*, const char*));
  int (*managed_of)(void* object, ManagedTensor** out);
  int (*object_of)(ManagedTensor* tensor, void** out);  // takes the tensor over
  int (*view_of)(void* object, Tensor* out);            // valid while the object is; may be null
  int (*current_stream)(std::int32_t device_type, std::int32_t device_id, void** out);
};

}  // namespace rnnfast::dlpack
