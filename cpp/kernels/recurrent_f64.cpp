#include "kernels/table.h"
namespace rnnfast {
extern const RecurrentTable<double> recurrent_table_f64;
const RecurrentTable<double> recurrent_table_f64 = {};
}
