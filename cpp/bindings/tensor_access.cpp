#include "bindings/tensor_access.h"

#include <cstdlib>
#include <new>
#include <string>

namespace rnnfast {

namespace {

constexpr std::size_t kAlignment = 64;

// A tensor with its sizes and memory behind it, in one block.
struct Block {
  dlpack::ManagedTensor managed;
  std::int64_t shape[3], strides[3];
};
constexpr std::size_t kHead = (sizeof(Block) + kAlignment - 1) / kAlignment * kAlignment;

// What a method gives of an object, without a look for it by its name.
py::object result_of(const py::object& method, const py::handle& object) {
  PyObject* const argument = object.ptr();
  auto result =
      py::reinterpret_steal<py::object>(PyObject_Vectorcall(method.ptr(), &argument, 1, nullptr));
  if (!result) throw py::error_already_set();
  return result;
}

}  // namespace

TensorAccess::TensorAccess(const py::capsule& api, const py::tuple& kinds) : kinds_(kinds) {
  if (kinds.empty()) throw py::value_error("kinds: expected at least one type, got none");
  is_neg_ = kinds[0].attr("is_neg");
  detach_ = kinds[0].attr("detach");
  if (api.name() == nullptr || std::string(api.name()) != dlpack::kCapsule)
    throw py::type_error("api: expected functions of DLPack, got another capsule");
  api_ = api.get_pointer<const dlpack::ExchangeApi>();
  while (api_ != nullptr && api_->version.major != dlpack::kMajor) api_ = api_->previous;
  if (api_ == nullptr || api_->view_of == nullptr)
    throw py::value_error("api: expected functions of DLPack 1 that show tensors, got others");
}

template <class Scalar>
bool TensorAccess::view(const py::handle& given, dlpack::Tensor* out,
                        std::vector<py::object>* kept) const {
  py::handle object = given;
  const auto* const kind = reinterpret_cast<PyObject*>(Py_TYPE(object.ptr()));
  bool known = false;
  for (const auto& each : kinds_) known = known || each.ptr() == kind;
  if (!known) return false;
  if (kept != nullptr) object = kept->emplace_back(result_of(detach_, object));
  if (api_->view_of(object.ptr(), out) != 0) {
    PyErr_Clear();
    return false;
  }
  if (out->device_type != dlpack::kCpu || out->code != dlpack::kFloat ||
      out->bits != 8 * sizeof(Scalar) || out->lanes != 1 || out->data == nullptr ||
      reinterpret_cast<std::uintptr_t>(dlpack::numbers<Scalar>(*out)) % alignof(Scalar) != 0)
    return false;
  return result_of(is_neg_, object).ptr() == Py_False;
}

template <class Scalar>
py::object TensorAccess::make(const std::vector<std::int64_t>& shape, Scalar** data) const {
  std::size_t bytes = sizeof(Scalar);
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* const memory =
      static_cast<char*>(::operator new(kHead + bytes, std::align_val_t{kAlignment}));
  auto* const block = new (memory) Block{};
  std::int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
    block->shape[axis] = shape[axis];
    block->strides[axis] = stride;
  }
  block->managed.version = {dlpack::kMajor, dlpack::kMinor};
  block->managed.owner = block;
  block->managed.deleter = [](dlpack::ManagedTensor* self) {
    ::operator delete(self->owner, std::align_val_t{kAlignment});
  };
  block->managed.tensor = {memory + kHead,
                           dlpack::kCpu,
                           0,
                           static_cast<std::int32_t>(shape.size()),
                           dlpack::kFloat,
                           8 * sizeof(Scalar),
                           1,
                           block->shape,
                           block->strides,
                           0};
  void* object = nullptr;
  if (api_->object_of(&block->managed, &object) != 0) throw py::error_already_set();
  *data = reinterpret_cast<Scalar*>(memory + kHead);
  return py::reinterpret_steal<py::object>(static_cast<PyObject*>(object));
}

#define RNNFAST_INSTANTIATE(Scalar)                                            \
  template bool TensorAccess::view<Scalar>(const py::handle&, dlpack::Tensor*, \
                                           std::vector<py::object>*) const;    \
  template py::object TensorAccess::make(const std::vector<std::int64_t>&, Scalar**) const;
RNNFAST_INSTANTIATE(float)
RNNFAST_INSTANTIATE(double)

}  // namespace rnnfast
