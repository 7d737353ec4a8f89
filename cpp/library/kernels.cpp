#include "library/kernels.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "cpu.h"
#include "library/fault.h"

namespace rnnfast::library {

namespace {

std::atomic<int> thread_count{1};

const LevelTables& choose() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once, as every program reads its environment
  const char* const asked = std::getenv("RNNFAST_ISA");
  const auto levels = cpu_levels();
  for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
    if (asked != nullptr && *asked != 0 && *level != asked) continue;
    const LevelTables* found = find_kernels(level->c_str());
    if (found != nullptr && found->kernels->version == kTableVersion &&
        *level == found->kernels->level)
      return *found;
  }
  std::string known;
  for (const auto& level : levels) known += (known.empty() ? "" : ", ") + level;
  if (asked != nullptr && *asked != 0)
    fail(RNNFAST_NO_KERNELS,
         "RNNFAST_ISA: expected one of " + known + " on this CPU, got " + shown(asked));
  fail(RNNFAST_NO_KERNELS,
       "kernels: expected those of " + known + " " + kKernelsPlace + ", found none");
}

}  // namespace

namespace {
const LevelTables& chosen() {
  static const LevelTables& tables = choose();
  return tables;
}
}  // namespace

const KernelTable& kernels() { return *chosen().kernels; }
const SmallTables& small_kernels() { return *chosen().small; }

int threads() { return thread_count.load(std::memory_order_relaxed); }
void set_threads(int count) { thread_count.store(count, std::memory_order_relaxed); }

}  // namespace rnnfast::library
