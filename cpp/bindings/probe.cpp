// Probes of the machine's limits, for the benchmarks.
#include "kernels/abi/probe.h"

#include <pybind11/pybind11.h>

#include <cstdint>
#include <new>
#include <string>

#include "bindings/gil.h"
#include "bindings/module.h"

namespace py = pybind11;

namespace rnnfast {

namespace {

// Longest probe, and most memory a thread of it reads.
constexpr double kMostSeconds = 10.0;
constexpr std::int64_t kMostBytes = std::int64_t(1) << 30;

void check(int threads, double seconds) {
  if (threads < 1 || threads > 1024)
    throw py::value_error("threads: expected 1 to 1024, got " + std::to_string(threads));
  if (!(seconds > 0.0 && seconds <= kMostSeconds))
    throw py::value_error("seconds: expected more than 0 and at most 10, got " +
                          std::to_string(seconds));
}

double fma_probe(const std::string& dtype, int threads, double seconds) {
  if (dtype != "float32" && dtype != "float64")
    throw py::value_error("dtype: expected 'float32' or 'float64', got '" + dtype + "'");
  check(threads, seconds);
  const ProbeTable& probes = *kernels().probe;
  const WithoutGil release;
  return (dtype == "float32" ? probes.fma_f32 : probes.fma_f64)(threads, seconds);
}

double read_probe(std::int64_t bytes, int threads, double seconds) {
  if (bytes < 1 || bytes > kMostBytes)
    throw py::value_error("bytes: expected 1 to 2**30, got " + std::to_string(bytes));
  check(threads, seconds);
  const ProbeTable& probes = *kernels().probe;
  double rate;
  {
    const WithoutGil release;
    rate = probes.read(bytes, threads, seconds);
  }
  if (rate < 0) throw std::bad_alloc();
  return rate;
}

}  // namespace

void bind_probe(py::module_& m) {
  m.def("fma_probe", &fma_probe, py::arg("dtype"), py::arg("threads"), py::arg("seconds"),
        "Floating-point operations per second of multiply-adds on registers alone.");
  m.def("read_probe", &read_probe, py::arg("bytes"), py::arg("threads"), py::arg("seconds"),
        "Bytes per second that threads read, each from `bytes` of its own.");
}

}  // namespace rnnfast
