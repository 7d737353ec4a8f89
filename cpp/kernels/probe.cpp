#include "kernels/probe.h"

#include "kernels/probe_table.h"

namespace rnnfast {

extern const ProbeTable probe_table;
const ProbeTable probe_table = {fma_probe<float>, fma_probe<double>, read_probe};

}  // namespace rnnfast
