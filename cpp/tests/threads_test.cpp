// Barriers, teams and the shares of their threads, with more threads than there are cores too.
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "kernels/threads/parallel.h"
#include "kernels/threads/team.h"

namespace rnnfast {
namespace {

constexpr int kTeams[] = {1, 2, 3, 5, 8};

// Runs work(rank) on threads of their own: a barrier needs no team.
template <class Work>
void on_threads(int size, const Work& work) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back([&work, rank] { work(rank); });
  for (std::thread& thread : threads) thread.join();
}

// Plain numbers, so that a thread sanitizer sees whether the barrier orders what is around it.
TEST(Barrier, NobodyGoesOnBeforeAllHaveCome) {
  Barrier barrier;
  for (const int size : kTeams) {
    barrier.resize(size);
    const int rounds = 4000 / size;
    std::vector<int> come(static_cast<std::size_t>(size));
    std::atomic<int> early{0};
    on_threads(size, [&](int rank) {
      for (int round = 1; round <= rounds; ++round) {
        come[static_cast<std::size_t>(rank)] = round;
        barrier.wait();
        for (const int other : come) early += other != round;
        barrier.wait();
      }
    });
    EXPECT_EQ(early, 0) << size << " threads";
    EXPECT_EQ(come, std::vector<int>(come.size(), rounds));
  }
}

// One barrier, where each round is ordered by the next.
TEST(Barrier, OneWaitARound) {
  Barrier barrier;
  for (const int size : kTeams) {
    barrier.resize(size);
    const int rounds = 8000 / size;
    std::vector<std::atomic<int>> come(static_cast<std::size_t>(size));
    std::atomic<int> wrong{0};
    on_threads(size, [&](int rank) {
      for (int round = 1; round <= rounds; ++round) {
        come[static_cast<std::size_t>(rank)].store(round, std::memory_order_relaxed);
        barrier.wait();
        for (const auto& other : come) {
          const int now = other.load(std::memory_order_relaxed);
          wrong += now != round && now != round + 1;
        }
      }
    });
    EXPECT_EQ(wrong, 0) << size << " threads";
  }
}

TEST(Barrier, MeanwhileIsDoneOnceByEach) {
  Barrier barrier;
  for (const int size : kTeams) {
    barrier.resize(size);
    const int rounds = 400;
    std::vector<int> done(static_cast<std::size_t>(size));
    on_threads(size, [&](int rank) {
      for (int round = 0; round < rounds; ++round)
        barrier.wait([&] { ++done[static_cast<std::size_t>(rank)]; });
    });
    EXPECT_EQ(done, std::vector<int>(done.size(), rounds));
  }
}

// `meanwhile` runs before the others have come: here nobody comes before it has run.
TEST(Barrier, MeanwhileWaitsForNobody) {
  Barrier barrier;
  barrier.resize(2);
  std::atomic<bool> ran{false};
  std::thread other([&] {
    while (!ran.load()) std::this_thread::yield();
    barrier.wait();
  });
  barrier.wait([&] { ran = true; });
  other.join();
  EXPECT_TRUE(ran);
}

TEST(Parallel, EachRankOnce) {
  for (int repeat = 0; repeat < 50; ++repeat)
    for (const int threads : kTeams) {
      std::vector<std::atomic<int>> ranks(static_cast<std::size_t>(threads));
      std::atomic<int> size_told{0};
      parallel(threads, [&](int rank, int size) {
        ASSERT_TRUE(rank >= 0 && rank < size && size <= threads);
        ++ranks[static_cast<std::size_t>(rank)];
        size_told = size;
      });
      for (int rank = 0; rank < threads; ++rank)
        EXPECT_EQ(ranks[static_cast<std::size_t>(rank)], rank < size_told) << "of " << threads;
    }
}

// Threads that slept since the last region are waited for by a sleep of their own kind.
TEST(Parallel, AfterThreadsHaveSlept) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    Barrier barrier;
    std::atomic<int> come{0}, early{0};
    parallel(4, [&](int, int size) {
      barrier.resize(size);
      ++come;
      barrier.wait();
      early += come != size;
    });
    EXPECT_EQ(early, 0);
  }
}

// Regions of several callers side by side, each with threads of its own.
TEST(Parallel, CallersBesideEachOther) {
  std::atomic<int> sum{0};
  on_threads(3, [&](int) {
    for (int repeat = 0; repeat < 50; ++repeat)
      parallel(2, [&](int rank, int size) { sum += size == 1 ? 3 : 1 + rank; });
  });
  EXPECT_EQ(sum, 3 * 50 * 3);
}

TEST(Parallel, SubnormalsAreZeroWithinAndNotAfter) {
#if defined(__SSE2__) || defined(__aarch64__)
  const auto flushes = [] {
    volatile float smallest = std::numeric_limits<float>::min();
    volatile float half = smallest * 0.5f;
    return half == 0;
  };
  for (const int threads : {1, 2}) {
    std::atomic<int> flushed{0}, all{0};
    parallel(threads, [&](int, int size) {
      flushed += flushes();
      all = size;
    });
    EXPECT_EQ(flushed, all);
    EXPECT_FALSE(flushes());
  }
#else
  GTEST_SKIP() << "this processor's are not flushed";
#endif
}

TEST(Team, WorkersKnowTheirPlace) {
  for (const int threads : kTeams)
    for (const int groups : {1, 2})
      for (const bool split_rows : {false, true}) {
        TeamPlan plan;
        plan.threads = threads;
        plan.groups = groups;
        plan.split_rows = split_rows;
        std::mutex mutex;
        std::vector<Worker> workers;
        run_team(plan, [&](const Worker& worker) {
          const std::scoped_lock lock(mutex);
          workers.push_back(worker);
        });
        ASSERT_FALSE(workers.empty());
        const int size = workers[0].size;
        ASSERT_EQ(workers.size(), static_cast<std::size_t>(size));
        std::set<int> ranks;
        std::set<std::pair<int, int>> places;
        std::set<Barrier*> barriers;
        int members[2] = {};
        for (const Worker& worker : workers) {
          EXPECT_EQ(worker.size, size);
          EXPECT_EQ(worker.groups, size >= groups ? groups : 1);
          EXPECT_TRUE(worker.group >= 0 && worker.group < worker.groups);
          EXPECT_TRUE(worker.member >= 0 && worker.member < worker.members);
          EXPECT_EQ(worker.split_rows, split_rows);
          ranks.insert(worker.rank);
          places.insert({worker.group, worker.member});
          barriers.insert(worker.own);
          members[worker.group] = worker.members;
        }
        EXPECT_EQ(ranks.size(), workers.size());
        EXPECT_EQ(places.size(), workers.size());
        EXPECT_EQ(members[0] + members[1], size);
        EXPECT_EQ(barriers.size(), static_cast<std::size_t>(workers[0].groups));
      }
}

// Groups wait for themselves only, the team for all.
TEST(Team, GroupsGoAtTheirOwnPace) {
  for (const int threads : kTeams) {
    TeamPlan plan;
    plan.threads = threads;
    plan.groups = 2;
    std::atomic<int> steps[2] = {}, wrong{0};
    run_team(plan, [&](const Worker& worker) {
      const int rounds = 100 * (worker.group + 1);
      for (int round = 1; round <= rounds; ++round) {
        ++steps[worker.group];
        worker.own->wait();
        wrong += steps[worker.group] < round * worker.members;
        worker.step_barrier();
      }
      worker.all->wait();
      int total = 0;
      for (int group = 0; group < worker.groups; ++group) total += steps[group];
      wrong += worker.groups == 1 ? total != 100 * worker.size : total < 300;
    });
    EXPECT_EQ(wrong, 0) << threads << " threads";
  }
}

TEST(Team, AllSayYesOnlyIfEachDoes) {
  for (const int threads : kTeams)
    for (int naysayer = -1; naysayer < threads; ++naysayer) {
      TeamPlan plan;
      plan.threads = threads;
      Everywhere question;
      std::atomic<int> yes{0}, size{0}, asked{0};
      run_team(plan, [&](const Worker& worker) {
        if (worker.rank == naysayer) asked = 1;
        yes += question.all(worker, worker.rank != naysayer);
        size = worker.size;
      });
      EXPECT_EQ(yes, asked == 1 ? 0 : size.load());
    }
}

TEST(Team, RowsOfAWorker) {
  Worker worker;
  EXPECT_EQ(worker.my_rows({3, 9}).begin, 3);
  EXPECT_EQ(worker.my_rows({3, 9}).end, 9);
  worker.split_rows = true;
  worker.rows = {5, 20};
  EXPECT_EQ(worker.my_rows({3, 9}).begin, 5);
  EXPECT_EQ(worker.my_rows({3, 9}).end, 9);
  const Range none = worker.my_rows({0, 4});
  EXPECT_LE(none.end, none.begin);
  EXPECT_EQ(worker.my_blocks(7).end, 7);
}

TEST(Share, CoversAllOnceAndEvenly) {
  for (std::int64_t count = 0; count < 50; ++count)
    for (int size = 1; size <= 9; ++size) {
      std::int64_t next = 0, least = count, most = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Range part = share(count, rank, size);
        EXPECT_EQ(part.begin, next);
        next = part.end;
        least = std::min(least, part.end - part.begin);
        most = std::max(most, part.end - part.begin);
      }
      EXPECT_EQ(next, count);
      EXPECT_LE(most - least, 1);
      for (const std::int64_t unit : {1, 4, 6}) {
        next = 0;
        for (int rank = 0; rank < size; ++rank) {
          const Range part = share(count, unit, rank, size);
          EXPECT_EQ(part.begin, next);
          EXPECT_TRUE(part.end % unit == 0 || part.end == count);
          next = part.end;
        }
        EXPECT_EQ(next, count);
      }
    }
}

TEST(Share, UsefulThreadsHaveWork) {
  EXPECT_EQ(useful_threads(8, 0, 100), 1);
  EXPECT_EQ(useful_threads(8, 99, 100), 1);
  EXPECT_EQ(useful_threads(8, 350, 100), 3);
  EXPECT_EQ(useful_threads(8, 1 << 20, 100), 8);
  EXPECT_EQ(useful_threads(1, 1 << 20, 100), 1);
}

// A team that grew and shrank is hired again without a trial, and a larger one with one.
TEST(Crew, HiresWhatCanBeHad) {
  EXPECT_TRUE(Crew::possible());
  for (const int threads : {1, 4, 2, 8, 1, 8}) {
    const int hired = Crew::hire(threads);
    EXPECT_GE(hired, 1);
    EXPECT_LE(hired, threads);
    int size_told = 0;
    parallel(threads, [&](int rank, int size) {
      if (rank == 0) size_told = size;
    });
    EXPECT_EQ(size_told, hired);
  }
}

}  // namespace
}  // namespace rnnfast
