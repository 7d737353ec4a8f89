#include "kernels/rnn/stepwise.h"

namespace rnnfast {

extern const StepwiseTable<float> stepwise_table_f32;
extern const StepwiseTable<double> stepwise_table_f64;

const StepwiseTable<float> stepwise_table_f32 = {stepwise_forward<float>, stepwise_backward<float>};
const StepwiseTable<double> stepwise_table_f64 = {stepwise_forward<double>,
                                                  stepwise_backward<double>};

}  // namespace rnnfast
