#include "bindings/module.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <string>

#include "bindings/array_memory.h"
#include "bindings/memory.h"
#include "bindings/mutex.h"
#include "bindings/recurrent.h"
#include "bindings/turn.h"
#include "cpu.h"

namespace py = pybind11;

namespace rnnfast {

namespace {

constexpr int kMostThreads = 1024;
const KernelTable* chosen = nullptr;
const SmallTables* chosen_small = nullptr;
std::atomic<int> threads{0};  // what was asked for; 0: the default
std::atomic<int> default_threads{1};

void use_kernels(const py::capsule& capsule) {
  if (capsule.name() == nullptr || std::string(capsule.name()) != kTableCapsule)
    throw py::type_error("capsule: expected a table of kernels, got another capsule");
  const auto* table = capsule.get_pointer<const KernelTable>();
  const auto* small = static_cast<const SmallTables*>(PyCapsule_GetContext(capsule.ptr()));
  if (table->version != kTableVersion || small == nullptr)
    throw py::value_error("capsule: expected kernels of version " + std::to_string(kTableVersion) +
                          ", got " + std::to_string(table->version));
  chosen = table;
  chosen_small = small;
}

void set_num_threads(int count) {
  if (count < 1 || count > kMostThreads)
    throw py::value_error("count: expected 1 to " + std::to_string(kMostThreads) +
                          " threads, got " + std::to_string(count));
  if (count > 1 && chosen != nullptr && !chosen->has_teams())
    throw std::runtime_error(
        "count: expected 1 in a process that was forked inside a call that several threads share, "
        "got " +
        std::to_string(count));
  threads = count;
}

// Until a number is asked for, at most so many.
void limit_threads(int count) { default_threads = std::clamp(count, 1, default_threads.load()); }

// std::bad_alloc says nothing of its own. The parameter is as pybind11 has it.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void translate_out_of_memory(std::exception_ptr error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "this call needs more memory than there is");
  } catch (const std::length_error&) {
    PyErr_SetString(PyExc_MemoryError, "this call needs more memory than there can be");
  }
}

}  // namespace

const KernelTable& kernels() {
  if (chosen == nullptr) throw std::runtime_error("no kernels were chosen: import rnnfast first");
  return *chosen;
}

const SmallTables& small_kernels() {
  kernels();
  return *chosen_small;
}

void require_ok(Status status) {
  if (status == Status::out_of_memory) {
    const double missed = chosen != nullptr ? chosen->missed_memory() : 0;
    if (missed > 0)
      throw_memory_error("this call needs " + text_of_bytes(missed) + ", more than there is");
    throw std::bad_alloc();
  }
  if (status == Status::not_finite) {
    PyErr_SetString(PyExc_FloatingPointError,
                    "logits: expected finite numbers, got NaN or infinity");
    throw py::error_already_set();
  }
}

int thread_count(int wanted) {
  if (wanted > 0) return std::min(wanted, kMostThreads);
  if (const int asked = threads.load(std::memory_order_relaxed); asked > 0) return asked;
  const int count = default_threads;
  return count == 1 ? 1 : std::min(count, affine_cpus());  // a system call, tenths of microseconds
}

}  // namespace rnnfast

PYBIND11_MODULE(_core, m) {
  using namespace rnnfast;
  m.doc() = "The seam between rnnfast's Python and its kernels.";
  m.attr("__version__") = RNNFAST_VERSION;
  default_threads = usable_cpus();
  watch_forks([] {
    threads = 1;  // as many processes as cores are the usual reason to fork
    Turn::in_child();
  });
  py::register_local_exception_translator(translate_out_of_memory);
  keep_array_memory();

  m.def("cpu_levels", &cpu_levels);
  m.def("cpu_reduced_levels", &cpu_reduced_levels);
  m.def("cpu_name", &cpu_name);
  m.def("usable_cpus", &usable_cpus);
  m.def("quota_cpus", &quota_cpus, py::arg("root"));
  m.def("memory_limit", &memory_limit);
  m.def("text_of_bytes", &text_of_bytes, py::arg("bytes"));
  m.def("use_kernels", &use_kernels, py::arg("capsule"));
  m.def("kernel_level", [] { return kernels().level; });
  m.def("kernel_lanes", [] { return py::make_tuple(kernels().lanes_f32, kernels().lanes_f64); });
  m.def("set_num_threads", &set_num_threads, py::arg("count"));
  m.def("limit_threads", &limit_threads, py::arg("count"));
  m.def("get_num_threads", [] { return thread_count(); });
  bind_turn(m);
  bind_parameters(m);
  bind_losses(m);
  bind_linear(m);    // which takes targets
  bind_adaptive(m);  // which takes linear layers
  bind_recurrent(m);
  bind_tensor_steps(m);
  bind_ctc(m);
  bind_product(m);
  bind_attention(m);
  bind_pooling(m);
  bind_padding(m);
  bind_standardise(m);
  bind_crf(m);
  bind_embedding(m);
  bind_optimizers(m);
  bind_decode(m);
  bind_probe(m);
  bind_foreign(m);
  bind_reduced(m);
  bind_xlstm(m);
}
