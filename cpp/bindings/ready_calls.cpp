#include "bindings/ready_calls.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bindings/tensor_steps.h"

namespace rnnfast {

namespace {

// What a dictionary has to have under a name: this very object. None stands for the module's own.
struct Entry {
  py::object dictionary, name, value;
};

// Everything that says whether a call without gradients is like the one that it was made for, in
// the order in which it is asked.
struct ReadyCall {
  std::shared_ptr<Recurrent> network;
  py::object access_object;
  const TensorAccess* access;
  py::object held;  // what the module holds, or None: this very object
  std::shared_ptr<const PackedWeights> packed;
  std::vector<std::pair<py::object, py::object>> answers;  // functions, and what they return
  std::vector<Entry> attributes;
  py::object names;  // of the parameters; None: as the module's list of names has them
  py::str parameters{"_parameters"}, flat_weights{"_flat_weights"},
      flat_names{"_flat_weights_names"};
  py::object threads;
  bool batch_first, cell, only_one;
};

// What a dictionary has under a name; null if that is nothing.
PyObject* entry(PyObject* dictionary, const py::object& name) {
  if (dictionary == nullptr || !PyDict_Check(dictionary)) return nullptr;
  PyObject* const found = PyDict_GetItemWithError(dictionary, name.ptr());
  if (found == nullptr && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return found;
}

// The parameters of a module with these attributes, if they are what its passes use.
std::optional<std::vector<py::object>> parameters_of(const ReadyCall& call, PyObject* own) {
  PyObject* const parameters = entry(own, call.parameters);
  PyObject *names = call.names.ptr(), *flat = nullptr;
  if (call.names.is_none()) {
    names = entry(own, call.flat_names);
    flat = entry(own, call.flat_weights);
    if (names == nullptr || flat == nullptr || !PyList_CheckExact(names) ||
        !PyList_CheckExact(flat) || PyList_GET_SIZE(names) != PyList_GET_SIZE(flat))
      return std::nullopt;
  }
  std::vector<py::object> found;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(names);
  found.reserve(static_cast<std::size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    const auto name = py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(names, i));
    PyObject* const parameter = entry(parameters, name);
    if (parameter == nullptr || (flat != nullptr && PyList_GET_ITEM(flat, i) != parameter))
      return std::nullopt;
    found.push_back(py::reinterpret_borrow<py::object>(parameter));
  }
  return found;
}

// `arguments`: the module's dictionary, what it holds, x and the state.
py::object answer(const ReadyCall& call, PyObject* const* arguments) {
  PyObject* const own = arguments[0];
  if (arguments[1] != call.held.ptr()) return py::none();
  for (const auto& [function, expected] : call.answers) {
    const auto found = py::reinterpret_steal<py::object>(PyObject_CallNoArgs(function.ptr()));
    if (!found) throw py::error_already_set();
    if (!found.is(expected)) return py::none();
  }
  for (const auto& [dictionary, name, value] : call.attributes)
    if (entry(dictionary.is_none() ? own : dictionary.ptr(), name) != value.ptr())
      return py::none();
  GivenWeights weights;
  weights.packed = call.packed;
  if (weights.packed == nullptr) {
    auto found = parameters_of(call, own);
    if (!found) return py::none();
    weights.tensors = std::move(*found);
  }
  return step_on_tensors(*call.network, *call.access, weights, arguments[2], arguments[3],
                         {call.batch_first, call.cell, call.only_one, call.threads});
}

// What Python calls: by its protocol for arguments that stand in a row, which takes a part of a
// microsecond less than a function of pybind11's.
PyObject* call_ready(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 4) {
    PyErr_SetString(PyExc_TypeError, "ready call: expected 4 arguments, got another number");
    return nullptr;
  }
  try {
    const auto* const call = static_cast<const ReadyCall*>(PyCapsule_GetPointer(self, nullptr));
    return answer(*call, arguments).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "this call needs more memory than there is");
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyMethodDef definition = {"ready_call",
                          reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_ready)),
                          METH_FASTCALL, nullptr};

}  // namespace

void bind_ready_calls(py::module_& m) {
  m.def(
      "ready_call",
      [](std::shared_ptr<Recurrent> network, const py::object& access, const py::object& held,
         const std::shared_ptr<PackedWeights>& packed, const py::tuple& answers,
         const py::tuple& attributes, const py::object& names, const py::object& threads,
         bool batch_first, bool cell, bool only_one) {
        auto call = std::make_unique<ReadyCall>();
        call->network = std::move(network);
        call->access_object = access;
        call->access = &py::cast<const TensorAccess&>(access);
        call->held = held;
        call->packed = packed;
        for (const auto& each : answers) {
          const auto pair = py::cast<py::tuple>(each);
          call->answers.emplace_back(pair[0], pair[1]);
        }
        for (const auto& each : attributes) {
          const auto given = py::cast<py::tuple>(each);
          call->attributes.push_back({given[0], given[1], given[2]});
        }
        if (!names.is_none() && !PyTuple_CheckExact(names.ptr()))
          throw py::type_error("names: expected a tuple or None, got another object");
        call->names = names;
        call->threads = threads;
        call->batch_first = batch_first;
        call->cell = cell;
        call->only_one = only_one;
        const py::capsule owner(call.release(), [](void* p) { delete static_cast<ReadyCall*>(p); });
        return py::reinterpret_steal<py::object>(PyCFunction_New(&definition, owner.ptr()));
      },
      py::arg("network"), py::arg("access"), py::arg("held"), py::arg("packed"), py::arg("answers"),
      py::arg("attributes"), py::arg("names"), py::arg("threads"), py::arg("batch_first"),
      py::arg("cell"), py::arg("only_one"));
}

}  // namespace rnnfast
