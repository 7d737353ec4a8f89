#include "kernels/core/probe.h"

#include "kernels/abi/probe.h"

namespace rnnfast {

extern const ProbeTable probe_table;
const ProbeTable probe_table = {fma_probe<float>, fma_probe<double>, read_probe};

}  // namespace rnnfast
