// A network that is run step by step: memory is made once, steps allocate nothing.
#pragma once

#include <memory>
#include <vector>

#include "library/model.h"

namespace rnnfast::library {

template <class Scalar>
class Steps {
 public:
  Steps(const Network<Scalar>& network, std::int64_t B);

  // T steps of numbers: y (T, B, O) of x (T, B, I). As `step`.
  void run(std::int64_t T, const Scalar* x, Scalar* y) noexcept;
  // One step: y (B, O) of x (B, I) or ids (B), which are known to be finite and in range. Never
  // fails, allocates, locks or asks the system.
  void step(const Scalar* x, const std::int64_t* ids, Scalar* y) noexcept;
  void reset() noexcept { set(nullptr); }
  std::int64_t state_size() const;
  void get(Scalar* state) const noexcept;
  void set(const Scalar* state) noexcept;  // null: zeros

 private:
  struct Free {
    const RecurrentTable<Scalar>* table;
    void operator()(Stream* stream) const { table->stream_free(stream); }
  };
  struct Place {
    const Part<Scalar>* part;
    std::int64_t in, out;
    Block<Scalar> y;  // (B, out); without numbers of the last one, whose are the caller's
    std::unique_ptr<Stream, Free> stream;
    std::unique_ptr<Steps> inner;
  };

  template <class Use>
  static void each_stream(const Steps& steps, const Use& use);

  // One small layer, and a linear one behind it, of one sequence: with a loop of its own.
  struct FreeSmall {
    void operator()(SmallNetwork* network) const {
      table_of<Scalar>(small_kernels()).free(network);
    }
  };
  void make_small(const Network<Scalar>& network);

  const Tables<Scalar>& table_;
  std::int64_t B_;
  std::unique_ptr<SmallNetwork, FreeSmall> small_;
  const RecurrentPart<Scalar>* small_part_ = nullptr;
  std::int64_t in_ = 0, out_ = 0;
  Block<Scalar> small_memory_, one_hot_;
  SmallState<Scalar> small_state_ = {};
  std::vector<Place> places_;
};

// What the C interface calls a stream.
struct StreamState {
  const Model* model;
  std::int64_t B, I, O;
  bool takes_ids, takes_numbers;
  std::variant<Steps<float>, Steps<double>> steps;
  std::variant<Block<float>, Block<double>> input;  // (B, I) standardised
};

}  // namespace rnnfast::library
