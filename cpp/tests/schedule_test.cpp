// What holds for every schedule of a ragged batch.
#include "kernels/rnn/schedule.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

namespace rnnfast {
namespace {

using Lengths = std::vector<std::int64_t>;

// Batches of all kinds: none, one, equal, falling, rising, with empty ones, at random.
std::vector<Lengths> batches() {
  std::vector<Lengths> all = {{},           {0},          {7},
                              {0, 0, 0},    {5, 5, 5, 5}, {9, 4, 1},
                              {1, 4, 9, 9}, {3, 0, 3, 0}, {0, 100, 1, 1, 1, 1}};
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    Lengths lengths(1 + random() % 40);
    const unsigned most = 1 + random() % 30;
    for (auto& length : lengths) length = random() % most;
    all.push_back(lengths);
  }
  return all;
}

std::int64_t longest(const Lengths& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

void expect_steps(const Schedule& schedule) {
  std::int64_t rows = 0;
  for (std::int64_t s = 0; s < schedule.steps; ++s) {
    std::int64_t alive = 0;
    for (std::int64_t b = 0; b < schedule.B; ++b) alive += schedule.length[b] > s;
    EXPECT_EQ(schedule.active[s], alive);
    EXPECT_EQ(schedule.first[s], rows);
    rows += alive;
  }
  EXPECT_EQ(schedule.first[schedule.steps], rows);
  EXPECT_EQ(schedule.rows, rows);
}

TEST(Schedule, OrdersByFallingLengthAndKeepsEquals) {
  for (const Lengths& lengths : batches()) {
    Schedule schedule;
    const auto B = static_cast<std::int64_t>(lengths.size());
    ASSERT_TRUE(schedule.build(longest(lengths) + 3, B, lengths.data()));
    ASSERT_EQ(schedule.B, B);
    EXPECT_EQ(schedule.steps, longest(lengths));
    std::vector<int> taken(lengths.size());
    for (std::int64_t b = 0; b < B; ++b) {
      const std::int64_t place = schedule.order[b];
      ASSERT_TRUE(place >= 0 && place < B);
      ++taken[static_cast<std::size_t>(place)];
      EXPECT_EQ(schedule.length[b], lengths[static_cast<std::size_t>(place)]);
      if (b == 0) continue;
      EXPECT_GE(schedule.length[b - 1], schedule.length[b]);
      if (schedule.length[b - 1] == schedule.length[b]) {
        EXPECT_LT(schedule.order[b - 1], place);
      }
    }
    EXPECT_EQ(taken, std::vector<int>(lengths.size(), 1));
    EXPECT_EQ(schedule.rows, std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}));
    expect_steps(schedule);
  }
}

TEST(Schedule, WithoutLengthsIsTheBatchAsItIs) {
  for (const std::int64_t T : {0, 1, 9})
    for (const std::int64_t B : {0, 1, 6}) {
      Schedule schedule;
      ASSERT_TRUE(schedule.build(T, B, nullptr));
      EXPECT_EQ(schedule.steps, B > 0 ? T : 0);
      EXPECT_EQ(schedule.rows, T * B);
      for (std::int64_t b = 0; b < B; ++b) {
        EXPECT_EQ(schedule.order[b], b);
        EXPECT_EQ(schedule.length[b], T);
      }
      expect_steps(schedule);
    }
}

// One that is built again has nothing of the batch before.
TEST(Schedule, CanBeBuiltAgain) {
  Schedule schedule;
  for (const Lengths& lengths : batches()) {
    Schedule fresh;
    const auto B = static_cast<std::int64_t>(lengths.size());
    ASSERT_TRUE(schedule.build(longest(lengths), B, lengths.data()));
    ASSERT_TRUE(fresh.build(longest(lengths), B, lengths.data()));
    EXPECT_EQ(schedule.rows, fresh.rows);
    EXPECT_EQ(schedule.steps, fresh.steps);
    for (std::int64_t b = 0; b < B; ++b) EXPECT_EQ(schedule.order[b], fresh.order[b]);
    expect_steps(schedule);
  }
}

TEST(Schedule, DealsEachSequenceToOneThread) {
  for (const Lengths& lengths : batches()) {
    Schedule schedule;
    const auto B = static_cast<std::int64_t>(lengths.size());
    ASSERT_TRUE(schedule.build(longest(lengths), B, lengths.data()));
    for (int size = 1; size <= 9; ++size) {
      std::int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Range dealt = schedule.deal(rank, size);
        EXPECT_EQ(dealt.begin, next) << "rank " << rank << " of " << size;
        EXPECT_GE(dealt.end, dealt.begin);
        next = dealt.end;
        std::int64_t total = 0;
        for (std::int64_t b = dealt.begin; b < dealt.end; ++b) total += schedule.length[b];
        // Not further from its part than by half a sequence at each border.
        EXPECT_LE(total * size, schedule.rows + longest(lengths) * size);
      }
      EXPECT_EQ(next, B);
    }
  }
}

TEST(Schedule, ReverseDirectionStartsAtEachEnd) {
  const Lengths lengths = {2, 5, 0, 5};
  Schedule schedule;
  ASSERT_TRUE(schedule.build(5, 4, lengths.data()));
  for (std::int64_t b = 0; b < 4; ++b)
    for (std::int64_t s = 0; s < schedule.length[b]; ++s) {
      EXPECT_EQ(schedule.time(0, s, b), s);
      EXPECT_EQ(schedule.time(1, s, b), schedule.length[b] - 1 - s);
    }
}

}  // namespace
}  // namespace rnnfast
