// A stack that runs step by step from Python or from another binding.
#pragma once

#include "bindings/recurrent.h"

namespace rnnfast {

// What a step was given: (B, I) numbers or (B) indices.
template <class Scalar>
struct StepInput {
  const Scalar* values = nullptr;
  const std::int64_t* indices = nullptr;  // the stream's own copy, until the next step
  bool flat = false;                      // given without an axis for the batch
  py::object held;                        // a converted copy, where one is needed
};

class StreamHandle {
 public:
  StreamHandle(std::shared_ptr<Recurrent> layer, std::int64_t batch_size);
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  ~StreamHandle();

  const Recurrent& layer() const { return *layer_; }
  std::int64_t batch_size() const { return batch_size_; }
  Stream* stream() const { return stream_; }

  // The weights as they are now: what a step must be given. Needs the GIL.
  const PackedWeights& weights() {
    if (layer_->stale(*weights_)) weights_ = layer_->weights(false);
    return *weights_;
  }

  // Held while a call runs without the GIL: the state belongs to one thread at a time.
  class Lock {
   public:
    explicit Lock(StreamHandle& stream) : stream_(stream) {
      stream_.require_idle();
      stream_.busy_in_ = fork_generation();
    }
    ~Lock() { stream_.busy_in_ = -1; }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    StreamHandle& stream_;
  };

  py::object step(const py::handle& x, const py::object& out);
  py::tuple state() const;
  void set_state(const py::object& h, const py::object& c);

 private:
  void require_idle() const {
    if (busy_in_ == fork_generation())
      throw std::runtime_error("stream: expected no other thread to run it, got one that does");
    if (busy_in_ >= 0)
      throw std::runtime_error(
          "stream: expected one that no thread ran when the process forked; reset it first");
  }
  template <class Scalar>
  void read(const py::handle& x, StepInput<Scalar>& in);
  template <class Scalar>
  void advance(const StepInput<Scalar>& in, Scalar* y);
  template <class Scalar>
  py::object typed_step(const py::handle& x, const py::object& out);

  friend class StreamsHandle;

  std::shared_ptr<Recurrent> layer_;
  std::int64_t batch_size_;
  bool may_share_ = false;
  int busy_in_ = -1;  // the fork generation in which a call runs without the GIL; -1: none does
  std::vector<std::int64_t> indices_;  // (B) of a step
  std::shared_ptr<const PackedWeights> weights_;
  Stream* stream_ = nullptr;
  py::array output_, output_flat_;  // (B, P), and (P) of the same memory where B is 1
};

// Streams of networks of one shape, which take their steps in one call.
class StreamsHandle {
 public:
  explicit StreamsHandle(std::vector<std::shared_ptr<StreamHandle>> streams);

  // y (N, B, P), or (N, P) where x came without B. x as each takes it, for all, or with N as its
  // first axis, (N, B, I) or (N, B) indices.
  py::object step(const py::handle& x, const py::object& out);

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(streams_.size()); }
  template <class Scalar>
  py::object typed_step(const py::handle& x, const py::object& out);

  std::vector<std::shared_ptr<StreamHandle>> streams_;
  py::array output_, output_flat_;  // (N, B, P), and (N, P) of the same memory where B is 1
};

}  // namespace rnnfast
