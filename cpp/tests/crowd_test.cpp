// When calls are given one thread, and when several again: by times that are told, not measured.
#include "kernels/threads/crowd.h"

#include <gtest/gtest.h>

namespace rnnfast {
namespace {

constexpr Crowd::Nanoseconds kCall = 1'000'000;

// Judges a region that began at `at`, in which each thread waited for this share; returns its end.
Crowd::Nanoseconds run(Crowd& crowd, int threads, Crowd::Nanoseconds at, double share) {
  const auto waited = static_cast<Crowd::Nanoseconds>(share * kCall * (threads - 1));
  crowd.judge(threads, at, at + kCall, waited);
  return at + kCall;
}

TEST(Crowd, ThreadsThatDoNotWaitAreAdmitted) {
  for (const int threads : {2, 3, 8}) {
    Crowd crowd;
    Crowd::Nanoseconds at = 1;
    for (int call = 0; call < 100; ++call) at = run(crowd, threads, at, call % 2 == 0 ? 0 : 0.3);
    EXPECT_EQ(crowd.admit(threads, at), threads);
  }
}

TEST(Crowd, OneSlowCallIsForgotten) {
  Crowd crowd;
  Crowd::Nanoseconds at = 1;
  for (int call = 0; call < 30; ++call) {
    at = run(crowd, 2, at, call % 3 == 0 ? 0.9 : 0);
    EXPECT_EQ(crowd.admit(2, at), 2);
  }
}

TEST(Crowd, SlowCallsInARowLeaveOneThreadForAWhile) {
  for (const int threads : {2, 3, 8}) {
    Crowd crowd;
    Crowd::Nanoseconds at = run(crowd, threads, 1, 0.9);
    EXPECT_EQ(crowd.admit(threads, at), threads);
    at = run(crowd, threads, at, 0.9);
    EXPECT_EQ(crowd.admit(threads, at), 1);
    EXPECT_EQ(crowd.admit(1, at), 1);
    EXPECT_EQ(crowd.admit(threads, at + Crowd::kFirstPause - 1), 1);
    EXPECT_EQ(crowd.admit(threads, at + Crowd::kFirstPause), threads);
  }
}

TEST(Crowd, ShortRegionsTellNothing) {
  Crowd crowd;
  for (Crowd::Nanoseconds at = 1; at < 100 * kCall; at += kCall) {
    crowd.judge(2, at, at + Crowd::kWorth - 1, Crowd::kWorth - 1);
    EXPECT_EQ(crowd.admit(2, at + Crowd::kWorth), 2);
  }
  const Crowd::Nanoseconds at = run(crowd, 2, 100 * kCall, 0.9);
  crowd.judge(2, at, at + Crowd::kWorth - 1, 0);
  EXPECT_EQ(crowd.admit(2, run(crowd, 2, at + kCall, 0.9)), 1);
}

TEST(Crowd, LooksAgainLessOftenWhileNothingChanges) {
  Crowd crowd;
  Crowd::Nanoseconds at = run(crowd, 2, run(crowd, 2, 1, 0.9), 0.9);
  for (auto pause = Crowd::kFirstPause; pause < Crowd::kLastPause; pause *= 2) {
    EXPECT_EQ(crowd.admit(2, at + pause - 1), 1);
    at += pause;
    ASSERT_EQ(crowd.admit(2, at), 2);
    at = run(crowd, 2, at, 0.9);
  }
  EXPECT_EQ(crowd.admit(2, at + Crowd::kLastPause - 1), 1);
  at += Crowd::kLastPause;
  ASSERT_EQ(crowd.admit(2, at), 2);
  // Cores of their own again: what was long before is not held against them.
  at = run(crowd, 2, run(crowd, 2, at, 0), 0);
  at = run(crowd, 2, run(crowd, 2, at, 0.9), 0.9);
  EXPECT_EQ(crowd.admit(2, at), 1);
  EXPECT_EQ(crowd.admit(2, at + Crowd::kFirstPause), 2);
}

}  // namespace
}  // namespace rnnfast
