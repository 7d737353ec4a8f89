// The states of many sequences, any of which may take a step while the others stay as they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "bindings/recurrent.h"

namespace rnnfast {

// A step gathers the states of some rows, is a pass of one step over them, and puts them back: in
// parts whose numbers stay in the cache.
template <class Scalar>
class RowStates {
 public:
  // All zero.
  RowStates(const StackShape& shape, std::int64_t batch_size)
      : I_(shape.I),
        parts_{{shape, batch_size, shape.P},
               {shape, batch_size, shape.cell->has_memory() ? shape.memory() : 0}} {
    const std::int64_t numbers =
        shape.I + shape.memory() + shape.cell->slots * shape.H + 3 * shape.P;
    at_once_ = std::clamp<std::int64_t>(
        kCached / (numbers * static_cast<std::int64_t>(sizeof(Scalar))), 64, 2048);
  }

  // (L, B, P), and (L, B, memory()) or null without a memory.
  Scalar* h() { return parts_[0].state.data(); }
  Scalar* c() { return parts_[1].width > 0 ? parts_[1].state.data() : nullptr; }
  const Scalar* h() const { return parts_[0].state.data(); }
  const Scalar* c() const { return parts_[1].width > 0 ? parts_[1].state.data() : nullptr; }

  // Null: zeros.
  void set(const Scalar* h, const Scalar* c) {
    const Scalar* const given[] = {h, c};
    for (int i = 0; i < 2; ++i) {
      auto& state = parts_[i].state;
      if (given[i] != nullptr)
        std::copy_n(given[i], state.size(), state.data());
      else
        std::fill(state.begin(), state.end(), Scalar(0));
    }
  }

  void clear(const std::vector<std::int64_t>& rows) {
    for (Part& part : parts_)
      for (std::int64_t l = 0; l < part.L; ++l)
        for (const std::int64_t row : rows) std::fill_n(part.at(l, row), part.width, Scalar(0));
  }

  // What a step of n rows allocates. Needs the GIL: a process that is forked during the step finds
  // whole vectors. False: there is no memory.
  bool reserve(const PackedWeights& weights, std::int64_t n, int threads) {
    for (Part& part : parts_) part.reserve(n, std::min(n, at_once_ * threads));
    if (n > 1 || single_) return true;
    const auto& table = *tables<Scalar>(*weights.table).recurrent;
    single_ = {table.stream_create(weights.packed, 1), table.stream_free};
    return single_ != nullptr;
  }

  // x (n, I) or indices (n); rows (n), different ones, or null: all, in order; y (n, P), apart from
  // x. Unless ok, no state has changed. Without Python.
  Status step(const PackedWeights& weights, const Scalar* x, const std::int64_t* indices,
              const std::int64_t* rows, std::int64_t n, Scalar* y, int threads) {
    Status status = Status::ok;
    std::int64_t done = 0;
    while (done < n && status == Status::ok) {
      const Rows part{rows, done, std::min(n - done, at_once_ * threads)};
      status = pass(weights, x == nullptr ? nullptr : x + done * I_,
                    indices == nullptr ? nullptr : indices + done, part, y + done * parts_[0].width,
                    threads);
      if (status == Status::ok) done += part.count;
    }
    if (status != Status::ok)
      for (std::int64_t begin = 0; begin < done; begin += at_once_ * threads)
        for (Part& part : parts_)
          part.restore({rows, begin, std::min(n - begin, at_once_ * threads)});
    return status;
  }

 private:
  // Bytes that the numbers of a part may take in a core's own cache, beside the weights.
  static constexpr std::int64_t kCached = 512 << 10;

  struct Rows {  // some of a step's
    const std::int64_t* all;
    std::int64_t begin, count;
    std::int64_t row(std::int64_t i) const { return all == nullptr ? begin + i : all[begin + i]; }
  };

  struct Part {  // h or c, of `width` numbers
    std::int64_t L, B, width;
    std::vector<Scalar> state;   // (L, B, width)
    std::vector<Scalar> before;  // of the step's rows: for each part of them (L, count, width)
    std::vector<Scalar> after;   // of a part of them

    Part(const StackShape& shape, std::int64_t batch_size, std::int64_t numbers)
        : L(shape.L), B(batch_size), width(numbers) {
      state.resize(static_cast<std::size_t>(L * B * width));
    }

    void reserve(std::int64_t n, std::int64_t at_once) {
      before.resize(std::max(before.size(), static_cast<std::size_t>(L * n * width)));
      after.resize(std::max(after.size(), static_cast<std::size_t>(L * at_once * width)));
    }

    Scalar* at(std::int64_t l, std::int64_t row) { return state.data() + (l * B + row) * width; }
    Scalar* before_of(const Rows& rows) { return before.data() + L * rows.begin * width; }

    const Scalar* gather(const Rows& rows) {
      if (width == 0) return nullptr;
      Scalar* to = before_of(rows);
      for (std::int64_t l = 0; l < L; ++l)
        for (std::int64_t i = 0; i < rows.count; ++i, to += width)
          std::memcpy(to, at(l, rows.row(i)), static_cast<std::size_t>(width) * sizeof(Scalar));
      return before_of(rows);
    }

    void scatter(const Rows& rows) { put(rows, after.data()); }
    void restore(const Rows& rows) { put(rows, before_of(rows)); }

    void put(const Rows& rows, const Scalar* from) {
      if (width == 0) return;
      for (std::int64_t l = 0; l < L; ++l)
        for (std::int64_t i = 0; i < rows.count; ++i, from += width)
          std::memcpy(at(l, rows.row(i)), from, static_cast<std::size_t>(width) * sizeof(Scalar));
    }
  };

  Status pass(const PackedWeights& weights, const Scalar* x, const std::int64_t* indices,
              const Rows& rows, Scalar* y, int threads) {
    const auto& table = *tables<Scalar>(*weights.table).recurrent;
    const std::int64_t P = parts_[0].width;
    const Scalar* const before[] = {parts_[0].gather(rows), parts_[1].gather(rows)};
    Scalar* const after[] = {parts_[0].after.data(), parts_[1].after.data()};
    Status status = Status::ok;
    if (single_ != nullptr && rows.count == 1) {  // what a stream of its own does, in less time
      table.stream_set(single_.get(), before[0], before[1]);
      table.stream_step(single_.get(), weights.packed, x, indices, y, threads);
      table.stream_get(single_.get(), after[0], after[1]);
    } else {
      SequenceInput<Scalar> in = {};
      in.T = 1;
      in.B = rows.count;
      in.x = x;
      in.indices = indices;
      in.x_batch = indices != nullptr ? 1 : I_;
      in.x_time = in.B * in.x_batch;
      in.h0 = before[0];
      in.c0 = before[1];
      const SequenceOutput<Scalar> out = {y, in.B * P, P, after[0], after[1]};
      status = table.forward(weights.packed, in, out, {}, nullptr, threads);
    }
    if (status == Status::ok)
      for (Part& part : parts_) part.scatter(rows);
    return status;
  }

  std::int64_t I_, at_once_;
  Part parts_[2];
  std::unique_ptr<Stream, void (*)(Stream*)> single_{nullptr, nullptr};
};

}  // namespace rnnfast
