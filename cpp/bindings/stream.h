// A stack that runs step by step from Python or from another binding.
#pragma once

#include <variant>

#include "bindings/recurrent.h"
#include "bindings/row_states.h"
#include "bindings/small_steps.h"
#include "bindings/step_arguments.h"

namespace rnnfast {

class StreamHandle {
 public:
  // `head`: null, or what is applied to each output, of O features; without one O is P.
  StreamHandle(std::shared_ptr<Recurrent> layer, std::int64_t batch_size,
               std::shared_ptr<Linear> head);
  StreamHandle(const StreamHandle&) = delete;
  StreamHandle& operator=(const StreamHandle&) = delete;
  ~StreamHandle();

  const Recurrent& layer() const { return *layer_; }
  std::int64_t batch_size() const { return batch_size_; }
  const std::shared_ptr<Linear>& head() const { return head_; }
  // The kernels' own stream, with the state. Needs the GIL.
  Stream* stream();

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

  // Of all sequences, or of some rows (n): different ones, a list or an array of integers.
  py::object step(const py::handle& x, const py::object& out);
  py::object step_rows(const py::handle& x, const py::handle& rows, const py::object& out);
  // The same as `step`, or T steps (T, B, I) as one pass gives them, of arguments that are just
  // what is expected and of calls of microseconds. Null without an exception: another call, nothing
  // has changed.
  PyObject* quick_step(PyObject* x, PyObject* out);
  PyObject* quick_run(PyObject* x, PyObject* out);
  py::tuple state();
  void set_state(const py::object& h, const py::object& c);
  void reset_rows(const py::handle& rows);

 private:
  void require_idle() const {
    if (busy_in_ == fork_generation())
      throw std::runtime_error("stream: expected no other thread to run it, got one that does");
    if (busy_in_ >= 0)
      throw std::runtime_error(
          "stream: expected one that no thread ran when the process forked; reset it first");
  }
  template <class Scalar>
  py::array target(const py::object& out, std::int64_t n, bool flat);
  template <class Scalar>
  void advance(const StepInput<Scalar>& in, Scalar* y);
  // y (rows, O) of h (rows, P). Needs the GIL to get ready, not to run.
  template <class Scalar>
  Status apply_head(const Linear::Forward<Scalar>& forward, std::int64_t rows, const Scalar* h,
                    Scalar* y) const;
  // A step by the kernels' stream, h (B, P) to y (B, O) included.
  template <class Scalar>
  void step_all(const Scalar* x, const std::int64_t* indices, Scalar* y);
  template <class Typed>
  PyObject* quick(const Typed& typed);
  template <class Scalar>
  PyObject* typed_quick_step(PyObject* x, PyObject* out);
  template <class Scalar>
  PyObject* typed_quick_run(PyObject* x, PyObject* out);
  template <class Scalar>
  py::object typed_step(const py::handle& x, const py::object& out);
  // A step of n rows (null: of all) by a pass, which threads share and which other Python threads
  // need not wait for, if it is long.
  template <class Scalar>
  py::object typed_pass(const py::handle& x, const std::int64_t* rows, std::int64_t n,
                        const py::object& out);
  template <class Scalar>
  void make_rows();
  // The states, brought there.
  template <class Scalar>
  RowStates<Scalar>& by_rows();
  template <class Scalar>
  SmallSteps<Scalar>& small();
  // Copies the state, (L, B, P) and (L, B, H), from where it is.
  template <class Scalar>
  void read_state(Scalar* h, Scalar* c) const;
  // Makes what steps of all need, so that they do not fail.
  void get_ready();

  friend class StreamsHandle;

  std::shared_ptr<Recurrent> layer_;
  std::shared_ptr<Linear> head_;
  std::int64_t batch_size_, O_;
  std::int64_t products_ = 0;  // of a step of one sequence
  bool may_share_ = false;
  bool many_ = false;  // steps of all are passes too
  bool quick_ = false;
  int busy_in_ = -1;  // the fork generation in which a call runs without the GIL; -1: none does
  std::vector<std::int64_t> indices_;  // (n) of a step
  std::shared_ptr<const PackedWeights> weights_;
  // The state is in one of these.
  enum class Place { stream, rows, small } place_ = Place::stream;
  Stream* stream_ = nullptr;
  std::variant<std::monostate, RowStates<float>, RowStates<double>> rows_;
  std::variant<std::monostate, SmallSteps<float>, SmallSteps<double>> small_;  // if it fits
  py::array hidden_;                // (B, P) that the head is applied to
  py::array output_, output_flat_;  // (B, O), and (O) of the same memory where B is 1
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

void bind_quick_calls(py::module_& m);

}  // namespace rnnfast
