// Large pieces of memory, kept for the next pass: a kernel call would otherwise wait for the system
// to clear the same pages again.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>

#if defined(__linux__)
  #include <sys/mman.h>
#endif

#include "kernels/abi/aligned.h"

namespace rnnfast {

class Memory {
 public:
  // At least `bytes`, aligned to a pair of cache lines, or to a huge page where that is worth it;
  // null if there is not so much. `bytes` becomes what was given.
  __attribute__((noinline)) static void* take(std::size_t& bytes) {
    if (kWatched) return aligned_allocate(kPair, bytes);
    const std::size_t alignment = bytes >= 2 * kHuge ? kHuge : kPair;
    bytes =
        (bytes + kPair - 1) / kPair * kPair;  // what lies beyond the last huge page has small ones
    if (void* kept = reuse(bytes)) return kept;
    void* fresh = aligned_allocate(alignment, bytes);
    if (fresh == nullptr) {  // perhaps there is enough without what is kept
      release();
      fresh = aligned_allocate(alignment, bytes);
      if (fresh == nullptr) miss(static_cast<double>(bytes));
    }
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (fresh != nullptr && alignment == kHuge) madvise(fresh, bytes, MADV_HUGEPAGE);
#endif
    return fresh;
  }

  __attribute__((noinline)) static void give(void* data, std::size_t bytes) {
    if (data == nullptr) return;
    if (kWatched || bytes < kLeast || bytes > kMost) return aligned_free(data);
    const Lock lock;
    if (!lock.held()) return aligned_free(data);
    while (count_ == kPieces || total_ + bytes > kMost) drop(0);
    pieces_[count_++] = {data, bytes};
    total_ += bytes;
  }

  // Bytes that were wanted in vain, for who tells the user; 0: none since the last question.
  static void miss(double bytes) { missed_.store(bytes, std::memory_order_relaxed); }
  static double missed() { return missed_.exchange(0, std::memory_order_relaxed); }

  // Around a fork: the child finds what is kept whole, and free to be used.
  static void before_fork() { mutex_.lock(); }
  static void after_fork() { mutex_.unlock(); }

 private:
  // Under a sanitizer, nothing is kept or rounded up, so that each end is where it knows it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr bool kWatched = true;
#else
  static constexpr bool kWatched = false;
#endif
  // A core fetches lines in pairs: what another one writes must not share a pair.
  static constexpr std::size_t kPair = 128, kHuge = std::size_t(2) << 20;
  // Sizes of pieces that are kept, and of all together.
  static constexpr std::size_t kLeast = 32 << 10, kMost = std::size_t(64) << 20;
  static constexpr int kPieces = 64;

  struct Piece {
    void* data;
    std::size_t bytes;
  };

  // Never waits: another thread may be inside.
  class Lock {
   public:
    Lock() : held_(mutex_.try_lock()) {}
    ~Lock() {
      if (held_) mutex_.unlock();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    bool held() const { return held_; }

   private:
    bool held_;
  };

  // The smallest piece that is large enough, unless much of it would lie idle.
  static void* reuse(std::size_t& bytes) {
    if (bytes < kLeast) return nullptr;
    const Lock lock;
    if (!lock.held()) return nullptr;
    int best = -1;
    for (int i = 0; i < count_; ++i)
      if (pieces_[i].bytes >= bytes && pieces_[i].bytes <= bytes + bytes / 4 &&
          (best < 0 || pieces_[i].bytes < pieces_[best].bytes))
        best = i;
    if (best < 0) return nullptr;
    const Piece piece = pieces_[best];
    remove(best);
    bytes = piece.bytes;
    return piece.data;
  }
  static void release() {
    const Lock lock;
    while (lock.held() && count_ > 0) drop(0);
  }
  static void drop(int i) {
    aligned_free(pieces_[i].data);
    remove(i);
  }
  static void remove(int i) {
    total_ -= pieces_[i].bytes;
    --count_;
    for (; i < count_; ++i) pieces_[i] = pieces_[i + 1];
  }

  // The oldest first.
  inline static Piece pieces_[kPieces] = {};
  inline static int count_ = 0;
  inline static std::size_t total_ = 0;
  inline static std::mutex mutex_;
  inline static std::atomic<double> missed_{0};
};

}  // namespace rnnfast
