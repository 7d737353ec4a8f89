// The only boundary between the kernels and whoever calls them: plain structs and function
// pointers. No Eigen type, std container or exception crosses it, because each instruction set's
// kernels are a module of their own with their own idea of alignment.
#pragma once

#include "kernels/abi/heads.h"
#include "kernels/abi/probe.h"
#include "kernels/abi/recurrent.h"
#include "kernels/abi/stepwise.h"

namespace rnnfast {

// Raised whenever a struct below or in the included tables changes.
constexpr int kTableVersion = 13;

struct KernelTable {
  int version;                         // kTableVersion
  const char* level;                   // "v1", "v3", "v4"
  int lanes_f32, lanes_f64;            // values per SIMD register
  const CellDescriptor* const* cells;  // (cell_count)
  int cell_count;
  const RecurrentTable<float>* recurrent_f32;
  const RecurrentTable<double>* recurrent_f64;
  const HeadsTable<float>* heads_f32;
  const HeadsTable<double>* heads_f64;
  const StepwiseTable<float>* stepwise_f32;
  const StepwiseTable<double>* stepwise_f64;
  const ProbeTable* probe;
  // Whether calls may be shared among threads; not in a child of a process that forked inside one.
  bool (*has_teams)();
  // Bytes that a call wanted in vain, where it returned out_of_memory; 0 if nobody knows.
  double (*missed_memory)();
};

template <class Scalar>
const RecurrentTable<Scalar>& recurrent(const KernelTable& table);
template <>
inline const RecurrentTable<float>& recurrent(const KernelTable& table) {
  return *table.recurrent_f32;
}
template <>
inline const RecurrentTable<double>& recurrent(const KernelTable& table) {
  return *table.recurrent_f64;
}

template <class Scalar>
const HeadsTable<Scalar>& heads(const KernelTable& table);
template <>
inline const HeadsTable<float>& heads(const KernelTable& table) {
  return *table.heads_f32;
}
template <>
inline const HeadsTable<double>& heads(const KernelTable& table) {
  return *table.heads_f64;
}

template <class Scalar>
const StepwiseTable<Scalar>& stepwise(const KernelTable& table);
template <>
inline const StepwiseTable<float>& stepwise(const KernelTable& table) {
  return *table.stepwise_f32;
}
template <>
inline const StepwiseTable<double>& stepwise(const KernelTable& table) {
  return *table.stepwise_f64;
}

// The name of the PyCapsule through which a kernels module hands over its table.
constexpr const char* kTableCapsule = "rnnfast.kernel_table";

}  // namespace rnnfast
