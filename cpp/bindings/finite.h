// Is every number finite? Fast enough to ask on every call.
#pragma once

#include <cstdint>

namespace rnnfast {

bool all_finite(const float* values, std::int64_t count);
bool all_finite(const double* values, std::int64_t count);

}  // namespace rnnfast
