// What the rooms of the seam share: the chosen kernels, the thread count, and who binds what.
#pragma once

#include <pybind11/pybind11.h>

#include "kernels/abi/table.h"

namespace rnnfast {

// The kernels in use; objects made earlier keep the table they were made with. Throws
// RuntimeError if none was chosen.
const KernelTable& kernels();

// Threads that a kernel call may use: `wanted` if that is not 0, else as set.
int thread_count(int wanted = 0);

// Throws MemoryError or FloatingPointError for the status, not ok, of a kernel of `kernels()`.
void require_ok(Status status);

void bind_parameters(pybind11::module_& m);
void bind_recurrent(pybind11::module_& m);
void bind_tensor_steps(pybind11::module_& m);
void bind_linear(pybind11::module_& m);
void bind_adaptive(pybind11::module_& m);
void bind_losses(pybind11::module_& m);
void bind_ctc(pybind11::module_& m);
void bind_product(pybind11::module_& m);
void bind_attention(pybind11::module_& m);
void bind_pooling(pybind11::module_& m);
void bind_padding(pybind11::module_& m);
void bind_standardise(pybind11::module_& m);
void bind_crf(pybind11::module_& m);
void bind_embedding(pybind11::module_& m);
void bind_optimizers(pybind11::module_& m);
void bind_decode(pybind11::module_& m);
void bind_probe(pybind11::module_& m);
void bind_foreign(pybind11::module_& m);
void bind_xlstm(pybind11::module_& m);
void bind_reduced(pybind11::module_& m);

}  // namespace rnnfast
