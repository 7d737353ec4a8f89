#include "cpu.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#if defined(__linux__)
  #include <sched.h>
#endif
#if defined(__x86_64__)
  #include <cpuid.h>
#endif

namespace rnnfast {

#if defined(__x86_64__)
namespace {

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// Which register files the operating system saves (XCR0).
unsigned saved_state() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool all(unsigned word, std::initializer_list<int> bits) {
  return std::all_of(bits.begin(), bits.end(), [word](int bit) { return (word >> bit) & 1u; });
}

}  // namespace

std::vector<std::string> cpu_levels() {
  std::vector<std::string> levels{"v1"};
  const Registers one = cpuid(1), seven = cpuid(7), extended = cpuid(0x80000001u);
  const bool osxsave = (one.c >> 27) & 1u;
  if (!osxsave) return levels;
  const unsigned saved = saved_state();
  // SSE3, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AVX, F16C; LAHF, LZCNT; BMI1, AVX2,
  // BMI2.
  const bool v3 = all(one.c, {0, 9, 12, 13, 19, 20, 22, 23, 28, 29}) && all(extended.c, {0, 5}) &&
                  all(seven.b, {3, 5, 8}) && (saved & 0x6u) == 0x6u;
  if (!v3) return levels;
  levels.push_back("v3");
  // AVX-512 F, DQ, CD, BW, VL, with opmask and upper registers saved.
  if (all(seven.b, {16, 17, 28, 30, 31}) && (saved & 0xE6u) == 0xE6u) levels.push_back("v4");
  return levels;
}

std::string cpu_name() {
  if (cpuid(0x80000000u).a < 0x80000004u) return "unknown";
  char name[49] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    const Registers r = cpuid(0x80000002u + leaf);
    const unsigned words[4] = {r.a, r.b, r.c, r.d};
    std::memcpy(name + 16 * leaf, words, sizeof words);
  }
  std::string text(name);
  const auto first = text.find_first_not_of(' ');
  const auto last = text.find_last_not_of(' ');
  return first == std::string::npos ? "unknown" : text.substr(first, last - first + 1);
}
#else
std::vector<std::string> cpu_levels() { return {"v1"}; }
std::string cpu_name() { return "unknown"; }
#endif

int usable_cpus() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) count = CPU_COUNT(&mask);
  // A container's quota in microseconds of CPU per period (cgroup v2, then v1).
  double quota = 0, period = 0;
  std::string word;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> word >> period && word != "max") {
    quota = std::atof(word.c_str());
  } else {
    std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(q >> quota && p >> period)) quota = 0;
  }
  if (quota > 0 && period > 0) count = std::min(count, static_cast<int>(std::ceil(quota / period)));
#endif
  return std::max(count, 1);
}

}  // namespace rnnfast
