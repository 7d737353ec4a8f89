// Probes of the machine's limits: a loop of multiply-adds that touches no memory, and a loop that
// does nothing but read, back and forth, as the kernels go through weights that do not fit a cache.
// A measurement beside them tells how near to the limit a kernel is, and whether a neighbour was
// taking its share of the machine meanwhile.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "kernels/core/buffer.h"
#include "kernels/core/simd.h"

namespace rnnfast {

namespace detail {

using ProbeClock = std::chrono::steady_clock;

inline double seconds_since(ProbeClock::time_point start) {
  return std::chrono::duration<double>(ProbeClock::now() - start).count();
}

// Runs `block()`, which returns the work it did, for `seconds`: work per second.
template <class Block>
double rate(double seconds, Block& block) {
  const auto start = ProbeClock::now();
  double work = 0, elapsed;
  do {
    work += block();
    elapsed = seconds_since(start);
  } while (elapsed < seconds);
  return work / elapsed;
}

// The sum of every thread's rate. `make(rank)` returns a thread's block. All warm up first (clocks
// rise and fall with the kind of instructions in use) and start together. The threads are new ones
// and end here: a pool's would go on spinning into whatever is timed next.
template <class Make>
double team_rate(int threads, double seconds, const Make& make) {
  constexpr double warm_up = 100e-6;
  std::atomic<int> arrived{0};
  std::atomic<int> expected{threads};
  std::vector<double> rates(static_cast<std::size_t>(threads), 0.0);
  const auto work = [&](int rank) {
    auto block = make(rank);
    rate(warm_up, block);
    ++arrived;
    // The block, not a pause: a thread that waits must not lose its warmth.
    while (arrived.load() < expected.load()) block();
    rates[static_cast<std::size_t>(rank)] = rate(seconds, block);
  };
  std::vector<std::thread> others;
  others.reserve(static_cast<std::size_t>(threads));
  for (int rank = 1; rank < threads; ++rank) {
    try {
      others.emplace_back(work, rank);
    } catch (const std::system_error&) {  // no more threads to be had
      expected = rank;
      break;
    }
  }
  work(0);
  for (auto& thread : others) thread.join();
  double sum = 0;
  for (const double one : rates) sum += one;
  return sum;
}

// Makes the compiler believe that the values are used.
template <class Scalar, int N>
RNNFAST_INLINE void consume(const Vec<Scalar> (&values)[N]) {
  Vec<Scalar> sum = values[0];
#pragma GCC unroll 32
  for (int i = 1; i < N; ++i) sum = add(sum, values[i]);
  alignas(64) Scalar out[lanes<Scalar>];
  store(static_cast<Scalar*>(out), sum);
  volatile Scalar sink = out[0];
  (void)sink;
}

// 12 chains of multiply-adds: more than latency times units, and they fit 16 registers. Each starts
// from a value that the compiler does not know: it would make one chain of equal ones.
template <class Scalar>
double fma_block() {
  constexpr int chains = 12, steps = 512;
  // x -> x/2 + 1/2 goes to 1.
  const auto half = broadcast<Scalar>(Scalar(0.5));
  volatile Scalar start = 1;
  Vec<Scalar> acc[chains];
#pragma GCC unroll 12
  for (int i = 0; i < chains; ++i) acc[i] = broadcast<Scalar>(start);
  for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i) acc[i] = madd(acc[i], half, half);
  }
  consume<Scalar, chains>(acc);
  return 2.0 * lanes<Scalar> * chains * steps;
}

inline double read_block(const float* data, std::int64_t count) {
  constexpr int N = kRegisters / 2, V = lanes<float>;
  Vec<float> acc[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) acc[i] = zeros<float>();
  for (std::int64_t at = 0; at < count; at += N * V) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) acc[i] = add(acc[i], load(data + at + i * V));
  }
  consume<float, N>(acc);
  return static_cast<double>(count) * sizeof(float);
}

}  // namespace detail

template <class Scalar>
double fma_probe(int threads, double seconds) {
  return detail::team_rate(threads, seconds, [](int) { return &detail::fma_block<Scalar>; });
}

inline double read_probe(std::int64_t bytes, int threads, double seconds) {
  constexpr std::int64_t unit = kRegisters / 2 * lanes<float>;
  constexpr std::int64_t stride = unit * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t count = (bytes + stride - 1) / stride * unit;
  static constexpr std::int64_t piece = 16 * unit;  // read upwards, as processors expect it
  const std::int64_t pieces = (count + piece - 1) / piece;
  std::vector<Buffer<float>> buffers(static_cast<std::size_t>(threads));
  for (auto& buffer : buffers)
    if (!buffer.reserve_zeroed(count)) return -1.0;
  return detail::team_rate(threads, seconds, [&](int rank) {
    const float* data = buffers[static_cast<std::size_t>(rank)].data();
    return [data, count, pieces, down = false]() mutable {
      double work = 0;
      for (std::int64_t i = 0; i < pieces; ++i) {
        const std::int64_t at = (down ? pieces - 1 - i : i) * piece;
        work += detail::read_block(data + at, std::min(piece, count - at));
      }
      down = !down;
      return work;
    };
  });
}

}  // namespace rnnfast
