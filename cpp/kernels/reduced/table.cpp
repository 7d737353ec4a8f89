// Fills the table. This translation unit and its siblings are compiled once per instruction set.
#include <iterator>

#include "kernels/abi/reduced.h"
#include "kernels/reduced/product.h"
#include "kernels/threads/team.h"

namespace rnnfast {

namespace reduced {
extern const ReducedNumbers numbers_int8, numbers_int16, numbers_bfloat16;
}

namespace {
#if defined(__AMX_TILE__)
constexpr const char* kReducedLevel = "amx";
#elif defined(__AVX512BF16__)
constexpr const char* kReducedLevel = "bf16";
#elif defined(__AVX512VNNI__)
constexpr const char* kReducedLevel = "vnni";
#elif defined(__AVX2__)
constexpr const char* kReducedLevel = "v3";
#else
constexpr const char* kReducedLevel = "v1";
#endif

#if defined(__AVX512BF16__)
constexpr RoundedProduct product = {reduced::BFloat16Product::scratch_bytes,
                                    reduced::BFloat16Product::run};
constexpr const RoundedProduct* kProduct = &product;
#else
constexpr const RoundedProduct* kProduct = nullptr;
#endif

const ReducedNumbers* const kinds[] = {&reduced::numbers_int8, &reduced::numbers_int16,
                                       &reduced::numbers_bfloat16};
}  // namespace

extern const ReducedTable reduced_table;
const ReducedTable reduced_table = {
    kReducedVersion, kReducedLevel,   kinds,   static_cast<int>(std::size(kinds)),
    65536,           &Crew::possible, kProduct};

}  // namespace rnnfast
