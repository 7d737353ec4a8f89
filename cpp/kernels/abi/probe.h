// What the machine can do at this moment, measured with the kernels' own instructions.
#pragma once

#include <cstdint>

namespace rnnfast {

struct ProbeTable {
  // Multiply-adds on registers alone: floating-point operations per second, all threads together.
  double (*fma_f32)(int threads, double seconds);
  double (*fma_f64)(int threads, double seconds);
  // Each thread reads its own `bytes` over and over: bytes per second, all threads together;
  // negative if memory ran out.
  double (*read)(std::int64_t bytes, int threads, double seconds);
};

}  // namespace rnnfast
