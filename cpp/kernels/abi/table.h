// The only boundary between the kernels and whoever calls them: plain structs and function
// pointers. No Eigen type, std container or exception crosses it, because each instruction set's
// kernels are a module of their own with their own idea of alignment.
#pragma once

#include "kernels/abi/adaptive.h"
#include "kernels/abi/attention.h"
#include "kernels/abi/crf.h"
#include "kernels/abi/ctc.h"
#include "kernels/abi/elements.h"
#include "kernels/abi/embedding.h"
#include "kernels/abi/linear.h"
#include "kernels/abi/losses.h"
#include "kernels/abi/optimizer.h"
#include "kernels/abi/probe.h"
#include "kernels/abi/recurrent.h"
#include "kernels/abi/sampling.h"
#include "kernels/abi/xlstm.h"

namespace rnnfast {

// Raised whenever a struct below or in the included tables changes.
constexpr int kTableVersion = 28;

// The functions for numbers of one type, subject by subject.
template <class Scalar>
struct Tables {
  const RecurrentTable<Scalar>* recurrent;
  const LinearTable<Scalar>* linear;
  const AttentionTable<Scalar>* attention;
  const LossTable<Scalar>* losses;
  const AdaptiveTable<Scalar>* adaptive;
  const CtcTable<Scalar>* ctc;
  const CrfTable<Scalar>* crf;
  const EmbeddingTable<Scalar>* embedding;
  const ElementTable<Scalar>* elements;
  const OptimizerTable<Scalar>* optimizers;
  const SamplingTable<Scalar>* sampling;
  const XlstmTable<Scalar>* xlstm;
};

struct KernelTable {
  int version;                         // kTableVersion
  const char* level;                   // "v1", "v3", "v4"
  int lanes_f32, lanes_f64;            // values per SIMD register
  const CellDescriptor* const* cells;  // (cell_count)
  int cell_count;
  Tables<float> f32;
  Tables<double> f64;
  const ProbeTable* probe;
  // Whether calls may be shared among threads; not in a child of a process that forked inside one.
  bool (*has_teams)();
  // Bytes that a call wanted in vain, where it returned out_of_memory; 0 if nobody knows.
  double (*missed_memory)();
};

template <class Scalar>
const Tables<Scalar>& tables(const KernelTable& table);
template <>
inline const Tables<float>& tables(const KernelTable& table) {
  return table.f32;
}
template <>
inline const Tables<double>& tables(const KernelTable& table) {
  return table.f64;
}

// The name of the PyCapsule through which a kernels module hands over its table.
constexpr const char* kTableCapsule = "rnnfast.kernel_table";

}  // namespace rnnfast
