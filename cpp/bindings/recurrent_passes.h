// The passes of a recurrent layer over NumPy arrays.
#pragma once

#include "bindings/recurrent.h"

namespace rnnfast {

// What a forward pass keeps, with the arrays it points into.
class ForwardCache {
 public:
  ForwardCache() = default;
  ForwardCache(const ForwardCache&) = delete;
  ForwardCache& operator=(const ForwardCache&) = delete;
  ~ForwardCache() { release(); }

  // Takes what every pass has.
  template <class Scalar>
  void fill(std::shared_ptr<const PackedWeights> packed, const SequenceInput<Scalar>& in,
            Held x_read, Held y_written, bool by_batch);
  void release();
  std::int64_t bytes() const;

  bool is_double = false;
  Cache* cache = nullptr;
  std::shared_ptr<const PackedWeights> weights;
  Held x, y, reset, noise[3];
  std::vector<std::int64_t> lengths;  // empty: all T
  std::int64_t T = 0, B = 0;
  std::int64_t packed_rows = 0;  // of packed sequences
  bool batch_first = false, indices = false;
  std::int64_t x_time = 0, x_batch = 0;  // strides of x, whose owner may give it another shape
  std::uint64_t x_print = 0;  // of x, which is not copied: backpropagation asks whether it stayed
};

// y, h_n, c_n and, to `keep`, a ForwardCache or None. x (T, B, I) or indices (T, B) int64; lengths
// (B) int64 within [0, T]; reset (T, B) bool; noise None or three arrays or Nones, as
// SequenceInput has them: ranks and integer types are seen to in Python. `packed`: x (1, rows, I)
// or (1, rows), of sequences of falling lengths, and so are y (1, rows, D*P), dy and dx.
template <class Scalar>
py::tuple forward(Recurrent& self, const py::array& x, const py::object& h0, const py::object& c0,
                  const py::object& lengths, const py::object& reset, bool batch_first, bool keep,
                  const Dropout& dropout, std::shared_ptr<const PackedWeights> weights, int threads,
                  const py::object& noise, bool packed);

// y (N, T, B, D*P), h_n (N, L*D, B, P), c_n of N networks of one shape and dtype, for inference:
// each in its place what `forward` returns of that network alone. x as there, for all (`shared`),
// or (N, T, B, I), or indices (N, T, B), one for each; h0 and c0 with N as their first axis.
template <class Scalar>
py::tuple forward_each(const std::vector<std::shared_ptr<Recurrent>>& networks, const py::array& x,
                       bool shared, const py::object& h0, const py::object& c0,
                       const py::object& lengths, const py::object& reset, bool batch_first);

// What backpropagation is to form beside dh0 and dc0, and whether its gradients are those of
// another pass, which go on as they are: NaN and infinity too.
struct Need {
  bool dx, weights, within;
};

// dx or None, dh0, dc0. Uses the cache up. The gradients of the parameters are added to
// `gradients`, an array as large as the buffer; None: to the buffer's own.
template <class Scalar>
py::tuple backward(Recurrent& self, ForwardCache& kept, const py::object& dy,
                   const py::object& dh_n, const py::object& dc_n, Need need,
                   const py::object& gradients, int threads);

// A number that says whether x was written to, within the lengths.
template <class Scalar>
std::uint64_t fingerprint_of(const py::array& x_given, const py::object& lengths, bool batch_first);

// What `forward` and `backward` ask of x and dy, for callers that hand those over in parts.
template <class Scalar>
void check_sequence(const Recurrent& self, const char* name, const py::array& given,
                    const py::object& lengths, bool batch_first);

}  // namespace rnnfast
