// Steps of streams by the shortest way from Python: no arguments are converted, nothing is looked
// up but the stream, and what is not just as expected goes to the method in Python.
#include <Python.h>
#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "bindings/finite.h"
#include "bindings/gil.h"
#include "bindings/stream.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

using Array = py::detail::PyArray_Proxy;

// Multiply-adds of a run up to which it is taken step by step: a pass costs more to get ready.
constexpr std::int64_t kFewProducts = 1 << 17;

// NumPy's own array of this dtype, C-contiguous and aligned, or null.
template <class Scalar>
const Array* plain_array(PyObject* given) {
  static const auto* const type = py::detail::npy_api::get().PyArray_Type_;
  static const PyObject* const dtype = py::dtype::of<Scalar>().release().ptr();
  constexpr int flags = static_cast<int>(py::array::c_style) |
                        static_cast<int>(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  if (Py_TYPE(given) != type) return nullptr;
  const Array* const array = py::detail::array_proxy(given);
  return array->descr == dtype && (array->flags & flags) == flags ? array : nullptr;
}

template <class... Sizes>
bool has_shape(const Array& array, Sizes... sizes) {
  const py::ssize_t expected[] = {static_cast<py::ssize_t>(sizes)...};
  return array.nd == static_cast<int>(sizeof...(Sizes)) &&
         std::equal(std::begin(expected), std::end(expected), array.dimensions);
}

template <class Scalar>
const Array* plain_target(PyObject* given) {
  const Array* const array = plain_array<Scalar>(given);
  return array != nullptr && (array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0
             ? array
             : nullptr;
}

template <class Scalar>
Scalar* data_of(const Array& array) {
  return reinterpret_cast<Scalar*>(array.data);
}

}  // namespace

template <class Scalar>
PyObject* StreamHandle::typed_quick_step(PyObject* x, PyObject* out) {
  const std::int64_t B = batch_size_, I = layer_->shape().I;
  const Scalar* values = nullptr;
  std::int64_t index = 0;
  bool flat = true;
  if (PyLong_CheckExact(x)) {
    index = PyLong_AsSsize_t(x);
    if (index == -1) PyErr_Clear();  // beyond 64 bits
    if (B != 1 || I == 1 || index < 0 || index >= I) return nullptr;
  } else {
    const Array* const array = plain_array<Scalar>(x);
    if (array == nullptr) return nullptr;
    flat = array->nd == 1;
    if (!(flat ? B == 1 && has_shape(*array, I) : has_shape(*array, B, I))) return nullptr;
    values = data_of<Scalar>(*array);
    if (!all_finite(values, B * I)) return nullptr;
  }
  PyObject* const target = out != Py_None ? out : flat ? output_flat_.ptr() : output_.ptr();
  const Array* const written = plain_target<Scalar>(target);
  if (written == nullptr || !(flat ? has_shape(*written, O_) : has_shape(*written, B, O_)))
    return nullptr;
  auto* const y = data_of<Scalar>(*written);
  get_ready();
  if (small_.index() == 0)
    step_all(values, values != nullptr ? nullptr : &index, y);
  else if (values != nullptr)
    small<Scalar>().run(1, values, y);
  else
    small<Scalar>().step(index, y);
  Py_INCREF(target);
  return target;
}

template <class Scalar>
PyObject* StreamHandle::typed_quick_run(PyObject* x, PyObject* out) {
  const std::int64_t B = batch_size_, I = layer_->shape().I;
  const Array* const array = plain_array<Scalar>(x);
  if (array == nullptr || array->nd != 3) return nullptr;
  const std::int64_t T = array->dimensions[0];
  const bool is_small = small_.index() != 0;
  if (T == 0 || !has_shape(*array, T, B, I)) return nullptr;
  if (!is_small && T * B > kFewProducts / products_) return nullptr;
  const auto* values = data_of<const Scalar>(*array);
  py::object target;
  if (out != Py_None) {
    const Array* const written = plain_target<Scalar>(out);
    if (written == nullptr || !has_shape(*written, T, B, O_)) return nullptr;
    const auto* const y = data_of<const Scalar>(*written);
    if (y < values + T * B * I && values < y + T * B * O_) return nullptr;
    target = py::reinterpret_borrow<py::object>(out);
  } else {
    target = new_array<Scalar>({T, B, O_});
  }
  auto* y = data_of<Scalar>(*py::detail::array_proxy(target.ptr()));
  get_ready();
  const Lock lock(*this);  // memory for y may have let others run
  if (!all_finite(values, T * B * I)) return nullptr;
  if (!is_small) {
    for (std::int64_t t = 0; t < T; ++t) step_all(values + t * B * I, nullptr, y + t * B * O_);
  } else if (T <= kShortCall / products_) {
    small<Scalar>().run(T, values, y);
  } else {  // other threads run meanwhile, and may write to x
    const py::array copy = copy_of("x", py::reinterpret_borrow<py::array>(x));
    values = static_cast<const Scalar*>(copy.data());
    if (!all_finite(values, T * I)) return nullptr;
    const Held written(py::reinterpret_borrow<py::array>(target));
    const WithoutGil release;
    small<Scalar>().run(T, values, y);
  }
  return target.release().ptr();
}

template <class Typed>
PyObject* StreamHandle::quick(const Typed& typed) {
  if (!quick_ || busy_in_ >= 0) return nullptr;
  try {
    return layer_->is_double() ? typed(double()) : typed(float());
  } catch (...) {  // no step has been taken: the method says what is wrong
    return nullptr;
  }
}

PyObject* StreamHandle::quick_step(PyObject* x, PyObject* out) {
  return quick([&](auto scalar) { return typed_quick_step<decltype(scalar)>(x, out); });
}

PyObject* StreamHandle::quick_run(PyObject* x, PyObject* out) {
  return quick([&](auto scalar) { return typed_quick_run<decltype(scalar)>(x, out); });
}

namespace {

using Quick = PyObject* (StreamHandle::*)(PyObject*, PyObject*);

// A method (self, x, out=None, ...) whose plain calls go to the attribute `native` of self, a
// stream, and all others to the function in Python, whose attributes it has too.
struct QuickMethod {
  PyObject ob_base;
  vectorcallfunc vectorcall;
  PyObject* function;
  Quick quick;

  static QuickMethod* of(PyObject* self) { return reinterpret_cast<QuickMethod*>(self); }
};

PyTypeObject* stream_type;
PyObject *native_name, *out_name;

PyObject* try_quickly(Quick quick, PyObject* self, PyObject* x, PyObject* out) {
  PyObject* const native = PyObject_GetAttr(self, native_name);
  if (native == nullptr) {
    PyErr_Clear();
    return nullptr;
  }
  const auto held = py::reinterpret_steal<py::object>(native);
  if (Py_TYPE(native) != stream_type) return nullptr;
  auto* const instance = reinterpret_cast<py::detail::instance*>(native);
  auto* const stream = instance->get_value_and_holder().value_ptr<StreamHandle>();
  return stream == nullptr ? nullptr : (stream->*quick)(x, out);
}

PyObject* call_quick(PyObject* callable, PyObject* const* args, std::size_t flags,
                     PyObject* names) {
  const QuickMethod& method = *QuickMethod::of(callable);
  const py::ssize_t given = PyVectorcall_NARGS(flags);
  const py::ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  const bool plain = given >= 2 && given + named <= 3 &&
                     (named == 0 || PyTuple_GET_ITEM(names, 0) == out_name);  // interned
  if (plain) {
    PyObject* const result =
        try_quickly(method.quick, args[0], args[1], given + named == 3 ? args[2] : Py_None);
    if (result != nullptr) return result;
  }
  return PyObject_Vectorcall(method.function, args, flags, names);
}

PyObject* bind_quick(PyObject* self, PyObject* instance, PyObject*) {
  if (instance == nullptr) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

// What the type has not is the function's.
PyObject* get_of_quick(PyObject* self, PyObject* name) {
  PyObject* const own = PyObject_GenericGetAttr(self, name);
  if (own != nullptr || !PyErr_ExceptionMatches(PyExc_AttributeError)) return own;
  PyErr_Clear();
  return PyObject_GetAttr(QuickMethod::of(self)->function, name);
}

PyObject* get_from_function(PyObject* self, void* name) {
  return PyObject_GetAttrString(QuickMethod::of(self)->function, static_cast<const char*>(name));
}

PyObject* get_function(PyObject* self, void*) { return Py_NewRef(QuickMethod::of(self)->function); }

int visit_quick(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(QuickMethod::of(self)->function);
  return 0;
}

int clear_quick(PyObject* self) {
  Py_CLEAR(QuickMethod::of(self)->function);
  return 0;
}

void free_quick(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear_quick(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

char doc_name[] = "__doc__", module_name[] = "__module__";
PyGetSetDef quick_attributes[] = {{"__doc__", get_from_function, nullptr, nullptr, doc_name},
                                  {"__module__", get_from_function, nullptr, nullptr, module_name},
                                  {"__wrapped__", get_function, nullptr, nullptr, nullptr},
                                  {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef quick_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(QuickMethod, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
template <class Function>
void* slot_of(Function* function) {
  return reinterpret_cast<void*>(function);
}
PyType_Slot quick_slots[] = {{Py_tp_call, slot_of(PyVectorcall_Call)},
                             {Py_tp_descr_get, slot_of(bind_quick)},
                             {Py_tp_getattro, slot_of(get_of_quick)},
                             {Py_tp_traverse, slot_of(visit_quick)},
                             {Py_tp_clear, slot_of(clear_quick)},
                             {Py_tp_dealloc, slot_of(free_quick)},
                             {Py_tp_getset, quick_attributes},
                             {Py_tp_members, quick_members},
                             {0, nullptr}};
PyType_Spec quick_spec = {"rnnfast._core.QuickMethod", sizeof(QuickMethod), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                              Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                          quick_slots};

PyTypeObject* quick_type() {
  static PyObject* const type = PyType_FromSpec(&quick_spec);
  if (type == nullptr) throw py::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);
}

template <Quick quick>
py::object make_quick(const py::function& function) {
  auto* const method = PyObject_GC_New(QuickMethod, quick_type());
  if (method == nullptr) throw py::error_already_set();
  method->vectorcall = call_quick;
  method->function = function.inc_ref().ptr();
  method->quick = quick;
  PyObject_GC_Track(method);
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(method));
}

}  // namespace

void bind_quick_calls(py::module_& m) {
  stream_type = reinterpret_cast<PyTypeObject*>(py::type::of<StreamHandle>().ptr());
  native_name = PyUnicode_InternFromString("native");
  out_name = PyUnicode_InternFromString("out");
  if (native_name == nullptr || out_name == nullptr) throw py::error_already_set();
  m.def("quick_step", &make_quick<&StreamHandle::quick_step>, py::arg("function"));
  m.def("quick_run", &make_quick<&StreamHandle::quick_run>, py::arg("function"));
}

}  // namespace rnnfast
