#include "bindings/array_memory.h"

#if !defined(_WIN32)
  #include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "bindings/memory.h"

// PyTraceMalloc_Track, which before Python 3.12 is declared as if it were C++.
#if defined(__APPLE__)
extern "C" int rnnfast_track(unsigned domain, std::uintptr_t at,
                             std::size_t bytes) asm("_PyTraceMalloc_Track");
#else
extern "C" int rnnfast_track(unsigned domain, std::uintptr_t at,
                             std::size_t bytes) asm("PyTraceMalloc_Track");
#endif

namespace rnnfast {

namespace {

namespace py = pybind11;

// Of arrays, in bytes: less is the heap's anyway, and of more the system's work is less than ours.
constexpr double kLeastKept = 128 << 10, kMostKept = 16 << 20;

// Pieces that arrays have given back. They are the system's own, not the heap's, which would keep
// what lies below one. Whoever makes an array or lets go of it holds the GIL.
class Pieces {
 public:
  // At least `bytes`, which become what was given; null if there is not so much.
  static void* take(std::size_t& bytes) {
    bytes = (bytes + kPage - 1) / kPage * kPage;
    int best = -1;
    for (int i = 0; i < count_; ++i)
      if (pieces_[i].bytes >= bytes && pieces_[i].bytes <= bytes + bytes / 4 &&
          (best < 0 || pieces_[i].bytes < pieces_[best].bytes))
        best = i;
    if (best >= 0) {
      bytes = pieces_[best].bytes;
      return remove(best);
    }
    void* fresh = map(bytes);
    if (fresh == nullptr) {  // perhaps there is enough without what is kept
      while (count_ > 0) drop(0);
      fresh = map(bytes);
    }
    return fresh;
  }
  static void give(void* data, std::size_t bytes) {
    while (count_ > 0 && (count_ == kMost || total_ + bytes > kMostBytes)) drop(0);  // the oldest
    if (bytes > kMostBytes) return unmap(data, bytes);
    pieces_[count_++] = {data, bytes};
    total_ += bytes;
  }

 private:
  static constexpr std::size_t kPage = 4096, kMostBytes = std::size_t(64) << 20;
  static constexpr int kMost = 64;
  struct Piece {
    void* data;
    std::size_t bytes;
  };

  static void* map(std::size_t bytes) {
#if defined(_WIN32)
    return nullptr;
#else
    void* const data =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? nullptr : data;
#endif
  }
  static void unmap(void* data, std::size_t bytes) {
#if !defined(_WIN32)
    munmap(data, bytes);
#endif
  }
  static void* remove(int i) {
    void* const data = pieces_[i].data;
    total_ -= pieces_[i].bytes;
    --count_;
    for (; i < count_; ++i) pieces_[i] = pieces_[i + 1];
    return data;
  }
  static void drop(int i) {
    const std::size_t bytes = pieces_[i].bytes;
    unmap(remove(i), bytes);
  }

  inline static Piece pieces_[kMost] = {};
  inline static int count_ = 0;
  inline static std::size_t total_ = 0;
};

// Before the numbers, where a pair of cache lines is: how large the piece of memory is.
constexpr std::size_t kBefore = 128;

void* take(void*, std::size_t size) {
  if (size > SIZE_MAX / 2) return nullptr;
  std::size_t bytes = size + kBefore;
  void* const piece = Pieces::take(bytes);
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
  Pieces::give(piece, bytes);
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

// As NumPy's PyArrayObject_fields is laid out.
struct Fields {
  py::detail::PyArray_Proxy array;
  PyObject* weak_references;
  void* buffers;
  PyObject* handler;
};
Fields& fields_of(const py::array& array) { return *reinterpret_cast<Fields*>(array.ptr()); }

// The capsule by which an array's memory is given back; null where memory is not kept.
PyObject* own_handler = nullptr;

// NumPy's domain of tracemalloc.
constexpr unsigned kDomain = 389047;

// A new array whose memory is ours. NumPy could be told of the handler for a while; but it has that
// in a variable of the thread's context, which collected garbage, with finalisers of its own, must
// not change while it is changed.
py::array kept_array(const py::dtype& dtype, const std::vector<py::ssize_t>& shape,
                     std::size_t bytes) {
  const auto& api = py::detail::npy_api::get();
  void* const numbers = take(nullptr, bytes);
  if (numbers == nullptr) return {};
  PyObject* const made = api.PyArray_NewFromDescr_(
      api.PyArray_Type_, py::dtype(dtype).release().ptr(), static_cast<int>(shape.size()),
      shape.data(), nullptr, numbers, py::detail::npy_api::NPY_ARRAY_WRITEABLE_, nullptr);
  if (made == nullptr) {
    give(nullptr, numbers, bytes);
    throw py::error_already_set();
  }
  auto array = py::reinterpret_steal<py::array>(made);
  Fields& fields = fields_of(array);
  fields.handler = own_handler;
  Py_INCREF(own_handler);
  fields.array.flags |= py::detail::npy_api::NPY_ARRAY_OWNDATA_;
  rnnfast_track(kDomain, reinterpret_cast<std::uintptr_t>(numbers), bytes);
  return array;
}

}  // namespace

void keep_array_memory() {
#if !defined(_WIN32) && !defined(PYPY_VERSION)
  // Whether an array of NumPy's own says where we look that its memory is NumPy's.
  constexpr int kGetHandler = 305;  // PyDataMem_GetHandler in NumPy's table, since 1.22
  const py::object api = py::detail::import_numpy_core_submodule("multiarray").attr("_ARRAY_API");
  void** const table = static_cast<void**>(PyCapsule_GetPointer(api.ptr(), nullptr));
  if (table == nullptr) throw py::error_already_set();
  const auto current =
      py::reinterpret_steal<py::object>(reinterpret_cast<PyObject* (*)()>(table[kGetHandler])());
  if (!current) throw py::error_already_set();
  if (fields_of(py::array_t<double>(1)).handler != current.ptr()) return;
  own_handler = PyCapsule_New(&handler, "mem_handler", nullptr);
  if (own_handler == nullptr) throw py::error_already_set();
#endif
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

py::array new_array(const char* what, const py::dtype& dtype,
                    const std::vector<std::int64_t>& shape) {
  // NumPy multiplies axes without regard to others that are 0.
  auto bytes = static_cast<double>(dtype.itemsize());
  for (const std::int64_t size : shape) bytes *= static_cast<double>(size == 0 ? 1 : size);
  if (bytes >= 0x1p63)
    throw_memory_error(std::string(what) + " of shape " + text_of(shape) + " needs " +
                       text_of_bytes(bytes) + ", more than there is");
  const std::vector<py::ssize_t> axes(shape.begin(), shape.end());
  const bool numbers = std::strchr("biufc", dtype.kind()) != nullptr;
  const bool any = std::find(shape.begin(), shape.end(), 0) == shape.end();
  if (own_handler != nullptr && numbers && any && bytes >= kLeastKept && bytes <= kMostKept)
    if (py::array array = kept_array(dtype, axes, static_cast<std::size_t>(bytes))) return array;
  return {dtype, axes};
}

}  // namespace rnnfast
