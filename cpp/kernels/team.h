// Threads: one parallel region per call, a barrier of our own inside, and who owns what.
#pragma once

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "kernels/simd.h"

namespace rnnfast {

struct Range {
  std::int64_t begin, end;
};

// The part of `count` things that falls to `rank` of `size`: contiguous, sizes differ by at most 1.
inline Range share(std::int64_t count, int rank, int size) {
  return {count * rank / size, count * (rank + 1) / size};
}

// Spins for a while (cores are usually a fraction of a microsecond apart), then yields, so that a
// busy machine makes it slow, not stuck.
template <class Done>
void spin_until(const Done& done) {
  for (int spins = 0; !done(); ++spins) {
    if (spins < 2000) {
#if defined(__SSE2__)
      _mm_pause();
#endif
    } else {
      sched_yield();
    }
  }
}

// All of `size` threads arrive before any goes on.
class Barrier {
 public:
  void resize(int size) { size_ = size; }
  void wait() {
    if (size_ <= 1) return;
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    spin_until([&] { return phase_.load(std::memory_order_acquire) != phase; });
  }

 private:
  int size_ = 1;
  alignas(128) std::atomic<int> arrived_{0};
  alignas(128) std::atomic<unsigned> phase_{0};
};

// One thread's place. The team may be cut in groups that work side by side (one per direction);
// within a group, either unit blocks or rows of the batch are dealt out.
struct Worker {
  int rank = 0, size = 1;  // in the whole team
  int group = 0, groups = 1;
  int member = 0, members = 1;  // in the group
  bool split_rows = false;      // rows of the batch, not unit blocks
  Range rows = {0, 0};          // which of them, from step to step and from product to product
  Barrier* all = nullptr;
  Barrier* own = nullptr;  // the group's

  Range my_blocks(std::int64_t blocks) const {
    return split_rows ? Range{0, blocks} : share(blocks, member, members);
  }
  // Between two steps: threads that own rows need nothing from each other.
  void step_barrier() const {
    if (!split_rows) own->wait();
  }
};

// How a call is cut up.
struct TeamPlan {
  int threads = 1, groups = 1;
  bool split_rows = false;
  bool wave = false;  // each thread takes whole layers
};

// Runs work(worker) on every thread of the plan, subnormals flushed.
template <class Work>
void run_team(const TeamPlan& plan, const Work& work) {
  Barrier all, own[2];
  if (plan.threads <= 1) {
    const FlushSubnormals flush;
    Worker worker;
    worker.all = &all;
    worker.own = &own[0];
    work(worker);
    return;
  }
#pragma omp parallel num_threads(plan.threads)
  {
    const FlushSubnormals flush;
    Worker worker;
    // The runtime may give fewer threads than were asked for.
    worker.rank = omp_get_thread_num();
    worker.size = omp_get_num_threads();
    worker.groups = worker.size >= plan.groups ? plan.groups : 1;
    const int per_group = worker.size / worker.groups;
    worker.group = std::min(worker.rank / per_group, worker.groups - 1);
    worker.member = worker.rank - worker.group * per_group;
    worker.members =
        worker.group == worker.groups - 1 ? worker.size - worker.group * per_group : per_group;
    worker.split_rows = plan.split_rows;
    worker.all = &all;
    worker.own = &own[worker.group];
#pragma omp single
    {
      all.resize(worker.size);
      for (int g = 0; g < worker.groups; ++g)
        own[g].resize(g == worker.groups - 1 ? worker.size - g * per_group : per_group);
    }
    work(worker);
  }
}

}  // namespace rnnfast
