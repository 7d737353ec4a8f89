#include "cpu.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#if defined(__linux__)
  #include <sched.h>
  #include <sys/syscall.h>
  #include <unistd.h>
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

// Whether the system lets this process have the registers of tiles.
bool may_use_tiles() {
  #if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  #else
  return false;
  #endif
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
  levels.emplace_back("v3");
  // AVX-512 F, DQ, CD, BW, VL, with opmask and upper registers saved.
  if (all(seven.b, {16, 17, 28, 30, 31}) && (saved & 0xE6u) == 0xE6u) levels.emplace_back("v4");
  return levels;
}

std::vector<std::string> cpu_reduced_levels() {
  std::vector<std::string> levels = cpu_levels();
  if (levels.back() != "v4") return levels;
  levels.pop_back();
  const Registers seven = cpuid(7);
  if (!all(seven.c, {11})) return levels;
  levels.emplace_back("vnni");
  if (!all(cpuid(7, 1).a, {5})) return levels;
  levels.emplace_back("bf16");
  // AMX-BF16, AMX-TILE, AMX-INT8, with their registers saved, for who asks for that.
  if (all(seven.d, {22, 24, 25}) && (saved_state() & 0x60000u) == 0x60000u && may_use_tiles())
    levels.emplace_back("amx");
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
std::vector<std::string> cpu_reduced_levels() { return {"v1"}; }
std::string cpu_name() { return "unknown"; }
#endif

#if defined(__linux__)
namespace {

std::vector<std::string> words_of(const std::string& line, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

// A hierarchy of cgroups that limits CPU time: where it is mounted, and which of its groups the
// mount shows as the topmost.
struct Mount {
  bool v2;
  std::string point, topmost;
};

// A line of mountinfo: "36 35 0:31 /topmost /mount/point options - cgroup2 source options".
bool read_mount(const std::string& line, Mount& mount) {
  const auto words = words_of(line, ' ');
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (words.size() < 6 || words.end() - dash < 4) return false;
  mount = {dash[1] == "cgroup2", words[4], words[3]};
  if (mount.v2) return true;
  const auto controllers = words_of(dash[3], ',');
  return dash[1] == "cgroup" &&
         std::find(controllers.begin(), controllers.end(), "cpu") != controllers.end();
}

// The process's group in a hierarchy, "/" at least, by its line "3:cpu,cpuacct:/group" or, of the
// second version, "0::/group".
std::string group_of_process(const std::string& root, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = words_of(line.substr(first + 1, second - first - 1), ',');
    const bool is_cpu =
        std::find(controllers.begin(), controllers.end(), "cpu") != controllers.end();
    if (v2 ? controllers.empty() : is_cpu) return line.substr(second + 1);
  }
  return "/";
}

// Microseconds of CPU time per microsecond that the group in a folder has; 0: no quota.
double quota_in(const std::string& folder, bool v2) {
  double quota = 0, period = 0;
  if (v2) {
    std::ifstream file(folder + "/cpu.max");
    if (!(file >> quota >> period)) return 0;  // "max" among others
  } else {
    std::ifstream file(folder + "/cpu.cfs_quota_us"), periods(folder + "/cpu.cfs_period_us");
    if (!(file >> quota && periods >> period)) return 0;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

int affine_cpus() {
  for (int size = 1024; size <= 1 << 20; size *= 4) {  // a mask that is too small is refused
    cpu_set_t fixed;
    cpu_set_t* const mask = size == 1024 ? &fixed : CPU_ALLOC(static_cast<std::size_t>(size));
    if (mask == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    const bool known = sched_getaffinity(0, bytes, mask) == 0;
    const int count = known ? CPU_COUNT_S(bytes, mask) : 0;
    if (mask != &fixed) CPU_FREE(mask);
    if (known) return std::max(count, 1);
  }
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

int quota_cpus(const std::string& root) {
  double least = 0;
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    Mount mount;
    if (!read_mount(line, mount)) continue;
    std::string group = group_of_process(root, mount.v2);
    // A container's mount may show its own group as the topmost.
    if (mount.topmost != "/") {
      const std::size_t length = mount.topmost.size();
      const bool within = group.compare(0, length, mount.topmost) == 0 &&
                          (group.size() == length || group[length] == '/');
      group = within ? group.substr(length) : "";
    }
    const std::string folder = root + mount.point;
    for (;;) {  // the group, then those above it
      while (!group.empty() && group.back() == '/') group.pop_back();
      const double cpus = quota_in(folder + group, mount.v2);
      if (cpus > 0 && (least == 0 || cpus < least)) least = cpus;
      if (group.empty()) break;
      group.erase(group.rfind('/'));
    }
  }
  // Beyond this, no machine has as many: a quota that is none.
  return least > 0 && least < 1 << 20 ? static_cast<int>(std::ceil(least)) : 0;
}
#else
int affine_cpus() { return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1); }
int quota_cpus(const std::string&) { return 0; }
#endif

int usable_cpus() {
  const int count = affine_cpus(), quota = quota_cpus("");
  return quota > 0 ? std::min(count, quota) : count;
}

}  // namespace rnnfast
