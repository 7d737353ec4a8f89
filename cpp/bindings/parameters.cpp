#include "bindings/parameters.h"

#include <cstring>
#include <mutex>

#include "bindings/gil.h"
#include "bindings/module.h"

namespace rnnfast {

namespace {

void* zeroed(std::size_t bytes) {
  const std::size_t rounded = (bytes + 63) / 64 * 64 + 64;
  void* p = aligned_allocate(64, rounded);
  if (p == nullptr)
    throw_memory_error("parameters: their memory needs " +
                       text_of_bytes(static_cast<double>(rounded)) + ", more than there is");
  std::memset(p, 0, rounded);
  return p;
}

std::size_t item_size(const ParameterBuffer& buffer) {
  return buffer.is_double() ? sizeof(double) : sizeof(float);
}

py::dtype dtype_of(const ParameterBuffer& buffer) {
  return buffer.is_double() ? py::dtype::of<double>() : py::dtype::of<float>();
}

// A flat view of the buffer's memory that keeps the buffer alive.
py::array view(const py::object& self, bool grads) {
  auto& buffer = self.cast<ParameterBuffer&>();
  if (grads && buffer.row_grads() != nullptr)
    throw py::value_error(
        "grads: expected a buffer that keeps all, got one that keeps them by row");
  const void* data = grads ? buffer.grads<char>() : buffer.values<char>();
  // A capsule as the base: NumPy then refuses to make the read-only view writeable again.
  auto* owner = new py::object(self);
  const py::capsule base(owner, [](void* p) { delete static_cast<py::object*>(p); });
  py::array array(dtype_of(buffer), {buffer.size()}, data, base);
  if (!grads) array.attr("setflags")(py::arg("write") = false);
  return array;
}

// A read-only copy of numbers, made of those in fewer bits.
py::array read_numbers(const ParameterBuffer& buffer, std::int64_t offset, std::int64_t size) {
  if (buffer.kept() == nullptr)
    throw py::value_error("buffer: expected numbers in fewer bits, got float32 or float64");
  if (offset < 0 || size < 0 || offset > buffer.size() || size > buffer.size() - offset)
    throw py::value_error("offset: expected a place within the buffer of " +
                          std::to_string(buffer.size()));
  auto array = new_array<float>({size});
  buffer.kept()->read(offset, size, array.mutable_data());
  array.attr("setflags")(py::arg("write") = false);
  return std::move(array);
}

// The rows that have gradients (K), and those (K, row_size): copies.
py::tuple sparse_grads(ParameterBuffer& buffer) {
  RowGradients* const grads = buffer.row_grads();
  if (grads == nullptr)
    throw py::value_error(
        "grads: expected a buffer that keeps them by row, got one that keeps all");
  std::vector<std::int64_t> rows;
  std::vector<std::byte> block;
  {
    const WithoutGil release;
    const std::scoped_lock lock(buffer.gradient_mutex());
    rows = grads->rows();
    block.assign(grads->data<std::byte>(), grads->data<std::byte>() + grads->bytes());
  }
  const auto K = static_cast<std::int64_t>(rows.size());
  return py::make_tuple(py::array_t<std::int64_t>(K, rows.data()),
                        py::array(dtype_of(buffer), {K, grads->width()}, block.data()));
}

}  // namespace

ParameterBuffer::ParameterBuffer(std::int64_t size, bool is_double, std::int64_t row_size)
    : size_(size), is_double_(is_double) {
  if (size < 0) throw py::value_error("size: expected at least 0, got " + std::to_string(size));
  if (row_size < 0 || (row_size > 0 && size % row_size != 0))
    throw py::value_error("row_size: expected a divisor of " + std::to_string(size) + ", got " +
                          std::to_string(row_size));
  require_memory("size: a buffer of " + std::to_string(size) + " parameters and their gradients",
                 bytes_of({size, row_size > 0 ? 1 : 2}, item_size(*this)));
  const std::size_t bytes = static_cast<std::size_t>(size) * item_size(*this);
  values_.reset(zeroed(bytes));
  if (row_size > 0)
    row_grads_ = std::make_unique<RowGradients>(row_size, item_size(*this));
  else
    grads_.reset(zeroed(bytes));
}

void ParameterBuffer::add_grads(std::int64_t offset, const py::array& source) {
  if (row_grads_ != nullptr)
    throw py::value_error("source: expected a buffer that keeps all gradients, got one by row");
  if (offset < 0 || offset > size_ || source.size() > size_ - offset)
    throw py::value_error("source: expected at most " + std::to_string(size_ - offset) +
                          " values, got " + std::to_string(source.size()));
  with_scalar(is_double_, [&](auto scalar) {
    using Scalar = decltype(scalar);
    require_dtype<Scalar>("source", source);
    const Held held(contiguous("source", source));
    const Scalar* const from = held.data<Scalar>();
    const std::int64_t count = held->size();
    Scalar* const to = grads<Scalar>() + offset;
    const WithoutGil release;
    const std::scoped_lock lock(gradient_mutex_);
    for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
  });
}

void ParameterBuffer::assign(std::int64_t offset, const py::array& source) {
  require_floats();
  if (is_double_)
    require_dtype<double>("source", source);
  else
    require_dtype<float>("source", source);
  if (!(source.flags() & py::array::c_style))
    throw py::value_error("source: expected a C-contiguous array, got strides");
  if (offset < 0 || offset > size_ || source.size() > size_ - offset)
    throw py::value_error("source: expected at most " + std::to_string(size_ - offset) +
                          " values, got " + std::to_string(source.size()));
  std::memcpy(values<char>() + offset * static_cast<std::int64_t>(item_size(*this)), source.data(),
              static_cast<std::size_t>(source.nbytes()));
  changed();
}

void bind_parameters(py::module_& m) {
  py::class_<ParameterBuffer, std::shared_ptr<ParameterBuffer>>(m, "ParameterBuffer")
      .def(py::init([](std::int64_t size, const std::string& dtype, std::int64_t row_size) {
             if (dtype != "float32" && dtype != "float64")
               throw py::value_error("dtype: expected 'float32' or 'float64', got '" + dtype + "'");
             return std::make_shared<ParameterBuffer>(size, dtype == "float64", row_size);
           }),
           py::arg("size"), py::arg("dtype"), py::arg("row_size") = 0)
      .def(py::init([](std::int64_t size, const py::array& others, const py::list& matrices) {
             return std::make_shared<ParameterBuffer>(
                 size, std::make_unique<const FewerBits>(size, others, matrices));
           }),
           py::arg("size"), py::arg("others"), py::arg("matrices"))
      .def_property_readonly("kept",
                             [](const py::object& self) -> py::object {
                               const auto* kept = self.cast<ParameterBuffer&>().kept();
                               if (kept == nullptr) return py::none();
                               return kept->parts(self);
                             })
      .def("read", &read_numbers, py::arg("offset"), py::arg("size"))
      .def_property_readonly("size", &ParameterBuffer::size)
      .def_property_readonly(
          "dtype", [](const ParameterBuffer& b) { return b.is_double() ? "float64" : "float32"; })
      .def_property_readonly("is_sparse",
                             [](const ParameterBuffer& b) { return b.row_grads() != nullptr; })
      .def_property_readonly("version", &ParameterBuffer::version)
      .def_property_readonly("values", [](const py::object& self) { return view(self, false); })
      .def_property_readonly("grads", [](const py::object& self) { return view(self, true); })
      .def("sparse_grads", &sparse_grads)
      .def("add_grads", &ParameterBuffer::add_grads, py::arg("offset"), py::arg("source"))
      .def("assign", &ParameterBuffer::assign, py::arg("offset"), py::arg("source"));
}

}  // namespace rnnfast
