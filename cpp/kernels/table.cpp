// Fills the table. This translation unit and its siblings are compiled once per instruction set.
#include "kernels/abi/table.h"

#include "kernels/core/memory.h"
#include "kernels/core/simd.h"
#include "kernels/rnn/registry.h"
#include "kernels/threads/team.h"

namespace rnnfast {

extern const RecurrentTable<float> recurrent_table_f32;
extern const RecurrentTable<double> recurrent_table_f64;
extern const XlstmTable<float> xlstm_table_f32;
extern const XlstmTable<double> xlstm_table_f64;
extern const ProbeTable probe_table;
// Of ops/, in a unit for each type.
template <class Scalar>
void fill_ops(Tables<Scalar>& tables);
extern template void fill_ops(Tables<float>&);
extern template void fill_ops(Tables<double>&);

namespace {
#if defined(__AVX512F__)
constexpr const char* kLevel = "v4";
#elif defined(__AVX2__)
constexpr const char* kLevel = "v3";
#else
constexpr const char* kLevel = "v1";
#endif

template <class Scalar>
Tables<Scalar> make_tables(const RecurrentTable<Scalar>& recurrent,
                           const XlstmTable<Scalar>& xlstm) {
  Tables<Scalar> tables = {};
  tables.recurrent = &recurrent;
  tables.xlstm = &xlstm;
  fill_ops(tables);
  return tables;
}
}  // namespace

extern const KernelTable kernel_table;
const KernelTable kernel_table = {
    kTableVersion,
    kLevel,
    lanes<float>,
    lanes<double>,
    cells,
    cell_count,
    make_tables(recurrent_table_f32, xlstm_table_f32),
    make_tables(recurrent_table_f64, xlstm_table_f64),
    &probe_table,
    &Crew::possible,
    &Memory::missed,
};

}  // namespace rnnfast
