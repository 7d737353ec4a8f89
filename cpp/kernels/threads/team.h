// Threads: one parallel region per call, and who owns what in it.
#pragma once

#include <omp.h>

#include <algorithm>

#include "kernels/threads/crew.h"
#include "kernels/threads/wait.h"

namespace rnnfast {

struct Range {
  std::int64_t begin, end;
};

// The part of `count` things that falls to `rank` of `size`: contiguous, sizes differ by at most 1.
inline Range share(std::int64_t count, int rank, int size) {
  return {count * rank / size, count * (rank + 1) / size};
}

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
  // Those of a step's rows that are this worker's.
  Range my_rows(Range all) const {
    if (!split_rows) return all;
    const std::int64_t begin = std::max(all.begin, rows.begin);
    return {begin, std::max(begin, std::min(all.end, rows.end))};
  }
  // Of a step's rows where each is a whole piece of work, whatever else is dealt out.
  Range share_of_rows(Range all) const {
    if (split_rows) return my_rows(all);
    const Range mine = share(all.end - all.begin, member, members);
    return {all.begin + mine.begin, all.begin + mine.end};
  }
  // Between two steps: threads that own rows need nothing from each other.
  void step_barrier() const {
    if (!split_rows) own->wait();
  }
  // Whether there are others to wait for between steps.
  bool waits() const { return members > 1 && !split_rows; }
};

// A question that every thread answers for its share.
class Everywhere {
 public:
  // Whether all threads of the team say yes.
  bool all(const Worker& worker, bool yes) {
    if (!yes) no_.store(true, std::memory_order_relaxed);
    worker.all->wait();
    return !no_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> no_{false};
};

// How a call is cut up.
struct TeamPlan {
  int threads = 1, groups = 1;
  bool split_rows = false;
  bool pipelined = false;  // each thread takes whole layers
};

// What threads of a region call: compiled apart, so that the region is compiled once.
using Work = void (*)(const void* work, int rank, int size);

inline __attribute__((noinline)) void parallel(int threads, Work call, const void* work) {
  threads = Crowd::here().admit(threads);
  const bool known = Crew::has(threads);  // to start threads takes long anywhere
  if (threads > 1) threads = Crew::hire(threads);
  if (threads <= 1) {
    const FlushSubnormals flush;
    call(work, 0, 1);
    return;
  }
  Meeting meeting;
  std::atomic<int> finished{0};
  std::atomic<Crowd::Nanoseconds> waited{0};
  const auto begin = Crowd::now();
#pragma omp parallel num_threads(threads)
  {
    const int rank = omp_get_thread_num(), size = omp_get_num_threads();
    if (rank == 0) Crew::keep(size);
    const FlushSubnormals flush;
    Crowd::own_waits() = 0;
    meeting.begin(rank, size);
    call(work, rank, size);
    // The end of a region waits as well, but would not let others have its core for long.
    if (rank > 0) {
      waited.fetch_add(Crowd::own_waits(), std::memory_order_relaxed);
      finished.fetch_add(1, std::memory_order_release);
    } else {
      wait_until([&] { return finished.load(std::memory_order_acquire) == size - 1; });
      waited.fetch_add(Crowd::own_waits(), std::memory_order_relaxed);
      if (known && size > 1) Crowd::here().judge(size, begin, Crowd::now(), waited.load());
    }
    Meeting::end();
  }
}

// Calls work(rank, size) once on each thread, subnormals flushed. It is told the size because the
// runtime may give fewer threads than were asked for.
template <class F>
void parallel(int threads, const F& work) {
  const Work call = [](const void* of, int rank, int size) {
    (*static_cast<const F*>(of))(rank, size);
  };
  parallel(threads, call, &work);
}

// Runs work(worker) on every thread of the plan.
template <class F>
void run_team(const TeamPlan& plan, const F& work) {
  Barrier all, own[2];
  parallel(plan.threads, [&](int rank, int size) {
    Worker worker;
    worker.rank = rank;
    worker.size = size;
    worker.groups = size >= plan.groups ? plan.groups : 1;
    const int per_group = size / worker.groups;
    worker.group = std::min(rank / per_group, worker.groups - 1);
    worker.member = rank - worker.group * per_group;
    worker.members =
        worker.group == worker.groups - 1 ? size - worker.group * per_group : per_group;
    worker.split_rows = plan.split_rows;
    worker.all = &all;
    worker.own = &own[worker.group];
    worker.all->resize(size);  // everybody who waits there says the same
    worker.own->resize(worker.members);
    work(worker);
  });
}

}  // namespace rnnfast
