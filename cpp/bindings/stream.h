// A stack that runs step by step from Python or from another binding.
#pragma once

#include "bindings/recurrent.h"

namespace rnnfast {

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
  py::object typed_step(const py::handle& x, const py::object& out);

  std::shared_ptr<Recurrent> layer_;
  std::int64_t batch_size_;
  bool may_share_ = false;
  int busy_in_ = -1;  // the fork generation in which a call runs without the GIL; -1: none does
  std::vector<std::int64_t> indices_;  // (B) of a step
  std::shared_ptr<const PackedWeights> weights_;
  Stream* stream_ = nullptr;
  py::array output_, output_flat_;  // (B, P), and (P) of the same memory where B is 1
};

}  // namespace rnnfast
