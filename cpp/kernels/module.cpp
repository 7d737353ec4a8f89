// The Python face of one instruction set's kernels: an empty module that carries the table.
#include <Python.h>
#if !defined(_WIN32)
  #include <pthread.h>
#endif

#include "kernels/abi/reduced.h"
#include "kernels/abi/table.h"
#include "kernels/core/memory.h"
#include "kernels/threads/team.h"

namespace rnnfast {
#if defined(RNNFAST_REDUCED)
extern const ReducedTable reduced_table;
#else
extern const KernelTable kernel_table;
#endif
}  // namespace rnnfast

namespace {

using rnnfast::Crew;
using rnnfast::Memory;

#if defined(RNNFAST_REDUCED)
const rnnfast::ReducedTable& table = rnnfast::reduced_table;
constexpr const char* kCapsule = rnnfast::kReducedCapsule;
#else
const rnnfast::KernelTable& table = rnnfast::kernel_table;
constexpr const char* kCapsule = rnnfast::kTableCapsule;
#endif

#if defined(_WIN32)  // which has no fork
bool watch_forks() { return true; }
#else
void before_fork() {
  Crew::before_fork();
  Memory::before_fork();
}
void in_parent() { Memory::after_fork(); }
void in_child() {
  Memory::after_fork();
  Crew::in_child();
}

bool watch_forks() {
  static const int registered = pthread_atfork(before_fork, in_parent, in_child);
  return registered == 0;
}
#endif

int add_table(PyObject* module) {
  if (!watch_forks()) return PyErr_NoMemory(), -1;
  void* const address = const_cast<void*>(static_cast<const void*>(&table));
  PyObject* capsule = PyCapsule_New(address, kCapsule, nullptr);
  if (capsule == nullptr) return -1;
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

PyMODINIT_FUNC RNNFAST_INIT(RNNFAST_KERNELS)() { return PyModuleDef_Init(&definition); }
