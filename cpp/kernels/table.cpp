// Fills the table. This translation unit and its siblings are compiled once per instruction set.
#include "kernels/abi/table.h"

#include "kernels/core/memory.h"
#include "kernels/core/simd.h"
#include "kernels/rnn/registry.h"
#include "kernels/threads/team.h"

namespace rnnfast {

extern const RecurrentTable<float> recurrent_table_f32;
extern const RecurrentTable<double> recurrent_table_f64;
extern const HeadsTable<float> heads_table_f32;
extern const HeadsTable<double> heads_table_f64;
extern const StepwiseTable<float> stepwise_table_f32;
extern const StepwiseTable<double> stepwise_table_f64;
extern const ProbeTable probe_table;

namespace {
#if defined(__AVX512F__)
constexpr const char* kLevel = "v4";
#elif defined(__AVX2__)
constexpr const char* kLevel = "v3";
#else
constexpr const char* kLevel = "v1";
#endif
}  // namespace

extern const KernelTable kernel_table;
const KernelTable kernel_table = {
    kTableVersion,
    kLevel,
    lanes<float>,
    lanes<double>,
    cells,
    cell_count,
    &recurrent_table_f32,
    &recurrent_table_f64,
    &heads_table_f32,
    &heads_table_f64,
    &stepwise_table_f32,
    &stepwise_table_f64,
    &probe_table,
    &Crew::possible,
    &Memory::missed,
};

}  // namespace rnnfast
