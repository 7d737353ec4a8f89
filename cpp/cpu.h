// What this CPU and its operating system can run, and how many threads are sensible.
#pragma once

#include <string>
#include <vector>

namespace rnnfast {

// Levels of the x86-64 psABI that the CPU has and whose registers the system saves, lowest first:
// a subset of {"v1", "v3", "v4"} that starts with "v1". Elsewhere {"v1"}.
std::vector<std::string> cpu_levels();

// The processor's own name, or "unknown".
std::string cpu_name();

// CPUs in this process's affinity mask, not more than its cgroup's quota allows; at least 1.
int usable_cpus();

}  // namespace rnnfast
