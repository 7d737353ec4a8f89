#include "kernels/table.h"
namespace rnnfast {
extern const RecurrentTable<float> recurrent_table_f32;
const RecurrentTable<float> recurrent_table_f32 = {};
}
