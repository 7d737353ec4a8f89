// The Python face of one instruction set's kernels: an empty module that carries the table.
#include <Python.h>

#include "kernels/abi/reduced.h"
#include "kernels/abi/small.h"
#include "kernels/abi/table.h"
#include "kernels/threads/forks.h"

// A program without Python opens the module for its table alone.
#if defined(__ELF__)
  #pragma weak PyCapsule_New
  #pragma weak PyCapsule_SetContext
  #pragma weak PyErr_NoMemory
  #pragma weak PyModuleDef_Init
  #pragma weak PyModule_AddObjectRef
  #pragma weak _Py_Dealloc
#endif

namespace rnnfast {
#if defined(RNNFAST_REDUCED)
extern const ReducedTable reduced_table;
#else
extern const KernelTable kernel_table;
extern const SmallTables small_tables;
#endif
}  // namespace rnnfast

namespace {

#if defined(RNNFAST_REDUCED)
const rnnfast::ReducedTable& table = rnnfast::reduced_table;
constexpr const char* kCapsule = rnnfast::kReducedCapsule;
#else
const rnnfast::KernelTable& table = rnnfast::kernel_table;
constexpr const char* kCapsule = rnnfast::kTableCapsule;
#endif

int add_table(PyObject* module) {
  if (!rnnfast::watch_forks()) return PyErr_NoMemory(), -1;
  void* const address = const_cast<void*>(static_cast<const void*>(&table));
  PyObject* capsule = PyCapsule_New(address, kCapsule, nullptr);
  if (capsule == nullptr) return -1;
#if !defined(RNNFAST_REDUCED)
  // Of the same version.
  PyCapsule_SetContext(capsule,
                       const_cast<void*>(static_cast<const void*>(&rnnfast::small_tables)));
#endif
  const int status = PyModule_AddObjectRef(module, "table", capsule);
  Py_DECREF(capsule);
  return status;
}

#define RNNFAST_TEXT_(name) #name
#define RNNFAST_TEXT(name) RNNFAST_TEXT_(name)
#define RNNFAST_INIT_(name) PyInit_##name
#define RNNFAST_INIT(name) RNNFAST_INIT_(name)

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(add_table)}, {0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          RNNFAST_TEXT(RNNFAST_KERNELS),
                          "Kernels compiled for one instruction set.",
                          0,
                          nullptr,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

#if defined(__ELF__) && !defined(RNNFAST_REDUCED)
// Null if there is no memory. The C library asks for it, and checks the version of what it gets.
extern "C" __attribute__((visibility("default"))) const rnnfast::LevelTables* rnnfast_kernels() {
  static const rnnfast::LevelTables tables = {&rnnfast::kernel_table, &rnnfast::small_tables};
  return rnnfast::watch_forks() ? &tables : nullptr;
}
#endif

PyMODINIT_FUNC RNNFAST_INIT(RNNFAST_KERNELS)() { return PyModuleDef_Init(&definition); }
