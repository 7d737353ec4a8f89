#include "bindings/array_memory.h"

#if !defined(_WIN32)
  #include <pthread.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "bindings/memory.h"
#include "kernels/abi/memory.h"

namespace rnnfast {

namespace {

namespace py = pybind11;

// Of arrays, in bytes: less is the heap's anyway, and of more the system's work is less than ours.
constexpr double kLeastKept = 128 << 10, kMostKept = 16 << 20;

// Before the numbers, where a pair of cache lines is: how large the piece of memory is.
constexpr std::size_t kBefore = 128;

void* take(void*, std::size_t size) {
  if (size > SIZE_MAX - kBefore) return nullptr;
  std::size_t bytes = size + kBefore;
  void* const piece = Memory::take(bytes);
  if (piece == nullptr) return nullptr;
  std::memcpy(piece, &bytes, sizeof bytes);
  return static_cast<char*>(piece) + kBefore;
}

void* take_zeroed(void* context, std::size_t count, std::size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* const numbers = take(context, count * size);
  if (numbers != nullptr) std::memset(numbers, 0, count * size);
  return numbers;
}

void give(void*, void* numbers, std::size_t) {
  if (numbers == nullptr) return;
  void* const piece = static_cast<char*>(numbers) - kBefore;
  std::size_t bytes;
  std::memcpy(&bytes, piece, sizeof bytes);
  Memory::give(piece, bytes);
}

void* take_instead(void* context, void* numbers, std::size_t size) {
  void* const fresh = take(context, size);
  if (numbers == nullptr || fresh == nullptr) return fresh;
  std::size_t bytes;
  std::memcpy(&bytes, static_cast<char*>(numbers) - kBefore, sizeof bytes);
  std::memcpy(fresh, numbers, std::min(size, bytes - kBefore));
  give(context, numbers, 0);
  return fresh;
}

// As NumPy's PyDataMem_Handler is laid out, which arrays point to as long as they live.
struct Handler {
  char name[127];
  std::uint8_t version;
  void* context;
  void* (*take)(void*, std::size_t);
  void* (*take_zeroed)(void*, std::size_t, std::size_t);
  void* (*take_instead)(void*, void*, std::size_t);
  void (*give)(void*, void*, std::size_t);
};
Handler handler = {"rnnfast", 1, nullptr, take, take_zeroed, take_instead, give};

using SetHandler = PyObject* (*)(PyObject*);

// How NumPy is told of a handler, and ours for that.
struct Handlers {
  SetHandler set = nullptr;
  PyObject* own = nullptr;
};

Handlers find_handlers() {
  constexpr int kSetHandler = 304;  // PyDataMem_SetHandler in NumPy's table, since 1.22
#if !defined(_WIN32)
  if (pthread_atfork(Memory::before_fork, Memory::after_fork, Memory::after_fork) != 0)
    throw std::bad_alloc();
#endif
  const py::object api = py::detail::import_numpy_core_submodule("multiarray").attr("_ARRAY_API");
  void** const table = static_cast<void**>(PyCapsule_GetPointer(api.ptr(), nullptr));
  if (table == nullptr) throw py::error_already_set();
  PyObject* const own = PyCapsule_New(&handler, "mem_handler", nullptr);
  if (own == nullptr) throw py::error_already_set();
  return {reinterpret_cast<SetHandler>(table[kSetHandler]), own};
}

Handlers handlers;

// While it lives, what NumPy allocates on this thread comes from what is kept, if that is large.
class ArrayMemory {
 public:
  explicit ArrayMemory(double bytes) {
    if (bytes < kLeastKept || bytes > kMostKept) return;
    before_ = handlers.set(handlers.own);
    if (before_ == nullptr) throw py::error_already_set();
  }
  ~ArrayMemory() {
    if (before_ == nullptr) return;
    const py::error_scope error;  // perhaps the array could not be had
    Py_XDECREF(handlers.set(before_));
    Py_DECREF(before_);
  }
  ArrayMemory(const ArrayMemory&) = delete;
  ArrayMemory& operator=(const ArrayMemory&) = delete;

 private:
  PyObject* before_ = nullptr;  // what allocated before, or null
};

}  // namespace

void keep_array_memory() { handlers = find_handlers(); }

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

py::array new_array(const char* what, const py::dtype& dtype,
                    const std::vector<std::int64_t>& shape) {
  auto bytes = static_cast<double>(dtype.itemsize());
  for (const std::int64_t size :
       shape)  // NumPy multiplies axes without regard to others that are 0
    bytes *= static_cast<double>(size == 0 ? 1 : size);
  if (bytes >= 0x1p63)
    throw_memory_error(std::string(what) + " of shape " + text_of(shape) + " needs " +
                       text_of_bytes(bytes) + ", more than there is");
  const ArrayMemory memory(bytes);
  return {dtype, std::vector<py::ssize_t>(shape.begin(), shape.end())};
}

}  // namespace rnnfast
