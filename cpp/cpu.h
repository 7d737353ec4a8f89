// What this CPU and its operating system can run, and how many threads are sensible.
#pragma once

#include <string>
#include <vector>

namespace rnnfast {

// Levels of the x86-64 psABI that the CPU has and whose registers the system saves, lowest first:
// a subset of {"v1", "v3", "v4"} that starts with "v1". Elsewhere {"v1"}.
std::vector<std::string> cpu_levels();

// The levels of modules for smaller numbers that run here, lowest first: a subset of {"v1", "v3",
// "vnni", "bf16", "amx"} that starts with "v1". Asks the system for the registers of tiles.
std::vector<std::string> cpu_reduced_levels();

// The processor's own name, or "unknown".
std::string cpu_name();

// CPUs in the calling thread's affinity mask as it is now; at least 1.
int affine_cpus();

// CPUs that the quotas of this process's cgroup and of those above it allow, the least of them,
// rounded up; 0: there is no quota. The files are read below `root`, which is "" but for tests.
int quota_cpus(const std::string& root);

// The lesser of the two; at least 1.
int usable_cpus();

}  // namespace rnnfast
