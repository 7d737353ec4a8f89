// All that is not recurrent: what a caller hands to the kernels and what the kernels offer.
//
// Sizes: R rows (time and batch in one), I input and O output features, V classes, E numbers of
// an embedding. Strides count elements from a row to the next; rows are contiguous. Pointers that
// may be null say so. Results carry the same bits for any number of threads.
#pragma once

#include <cstdint>

#include "kernels/abi/crf.h"
#include "kernels/abi/recurrent.h"

namespace rnnfast {

template <class Scalar>
struct Matrix {
  Scalar* data;
  std::int64_t stride;  // from a row to the next
};

struct LinearShape {
  std::int64_t R, I, O;
};

// y = x W^T + b, backwards. Results that are null are not wanted.
template <class Scalar>
struct LinearGradients {
  Matrix<const Scalar> dy;  // (R, O)
  Matrix<const Scalar> x;   // (R, I)
  const Scalar* weight;     // (O, I)
  Matrix<Scalar> dx;        // (R, I) overwritten
  Scalar* dweight;          // (O, I) added to
  Scalar* dbias;            // (O) added to
};

// What the classes of R rows should be, and how much each counts:
//
//   loss = sum over r of weight[r] ((1 - s) c[t] (lse - x[t]) + s / V sum over v of c[v] (lse -
//   x[v]))
//
// with t = targets[r], lse = log(sum exp(x)), s = smoothing, c = class_weights.
template <class Scalar>
struct Targets {
  const std::int64_t* classes;  // (R) each in [0, V), or ignore
  std::int64_t ignore;          // rows of this target count nothing
  const Scalar* row_weights;    // (R) or null: 1
  const Scalar* class_weights;  // (V) or null: 1
  double smoothing;             // in [0, 1)
  double scale;                 // factor of all gradients, not of the loss
};

// Softmax cross-entropy of logits = h W^T + b, which never stand in memory as a whole.
template <class Scalar>
struct LinearCrossEntropy {
  LinearShape shape;       // O classes
  Matrix<const Scalar> h;  // (R, I)
  const Scalar* weight;    // (O, I)
  const Scalar* bias;      // (O) or null
  Targets<Scalar> targets;
  bool backward;      // else the results below are not touched
  Matrix<Scalar> dh;  // (R, I) overwritten; or null
  Scalar* dweight;    // (O, I) added to; or null
  Scalar* dbias;      // (O) added to; or null
};

// Scores of B sequences, and the symbols that each is to give, in this order, at steps that are not
// known: loss = sum over b of weight[b] * -log P(target b | logits b), Graves et al. (2006).
template <class Scalar>
struct CtcProblem {
  std::int64_t T, B, V;
  std::int64_t blank;    // the class that stands for no symbol
  const Scalar* logits;  // (T, B, V)
  const std::int64_t*
      lengths;  // (B) steps of each sequence, from 0 to T; further ones are not read
  const std::int64_t* targets;  // the symbols of all sequences one after the other, none the blank
  const std::int64_t* offsets;  // (B + 1) where each sequence's symbols begin
  const Scalar* weights;        // (B) or null: 1; sequences of weight 0 are not looked at
  double scale;                 // factor of all gradients, not of the loss
};

// A stack's packed weights, which an optimizer makes anew while the values are at hand.
template <class Scalar>
struct PackedCopy {
  Packed* packed;
  const LayerParameters<const Scalar*>* parameters;  // L*D, all among the values that change
};

// Which values an optimizer changes: all n; or some rows of a table, each once, whose gradients lie
// one after the other; or the parameters of stacks, and the others.
template <class Scalar>
struct Touched {
  std::int64_t n;                              // gradients
  const std::int64_t* rows = nullptr;          // (n / width), or null: all values
  std::int64_t width = 0;                      // numbers of a row
  const PackedCopy<Scalar>* copies = nullptr;  // (copy_count) of different parameters
  std::int64_t copy_count = 0;
  const std::int64_t* others = nullptr;  // (other_count, 2) from and to, of what is no parameter's
  std::int64_t other_count = 0;
};

// One optimizer's step; the equations are those of torch.optim.
struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov;
  bool first;  // the first step: the momentum starts as the gradient
};
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;     // AdamW
  std::int64_t step;  // from 1
};
struct RmspropStep {
  double lr, alpha, eps, weight_decay, momentum;
};
struct AdagradStep {
  double lr, eps, weight_decay;  // lr with its decay
};

enum class Activation : std::int32_t { exp_nonpositive, sigmoid, tanh };

// How the next token is drawn from logits.
struct DrawOptions {
  double temperature;             // 0: the most likely
  std::int64_t top_k;             // draw among so many of the most likely; 0: all
  double top_p;                   // and among the fewest that carry this probability; 1: all
  const std::uint8_t* forbidden;  // (V) 1: never drawn; or null. Not all of them
  std::uint64_t seed;
};

// A recurrent stack and its output layer, and where drawn tokens go. B rows are drawn side by side;
// a row's tokens depend on its number and the seed, not on the other rows.
template <class Scalar>
struct Decoder {
  void (*step)(Stream* stream, const Packed* packed, const Scalar* x, const std::int64_t* indices,
               Scalar* y, int threads);  // of RecurrentTable
  Stream* stream;
  const Packed* packed;
  std::int64_t B, I, H, V;
  const Scalar* embedding;  // (tokens, I) or null: the stack takes indices
  const Scalar* weight;     // packed by linear_pack
  const Scalar* bias;       // (V) or null
};
struct Drawing {
  std::int64_t* tokens;  // (B, capacity)
  std::int64_t capacity;
  std::int64_t* lengths;      // (B) tokens drawn so far
  std::uint8_t* done;         // (B) the row has ended
  std::int64_t* last;         // (B) the tokens that are fed next; all -1: vectors of zeros
  const std::uint8_t* stops;  // (V) 1: ends its row, and is kept as its last token; or null
};

template <class Scalar>
struct HeadsTable {
  // Linear layers. `pack` makes the copy of a weight (O, I) that `linear_forward` reads.
  std::int64_t (*linear_packed_size)(std::int64_t I, std::int64_t O);
  void (*linear_pack)(std::int64_t I, std::int64_t O, const Scalar* weight, Scalar* packed,
                      int threads);
  Status (*linear_forward)(const LinearShape& shape, Matrix<const Scalar> x, const Scalar* packed,
                           const Scalar* bias, Matrix<Scalar> y, int threads);
  Status (*linear_backward)(const LinearShape& shape, const LinearGradients<Scalar>& gradients,
                            int threads);

  // Losses: the sum over rows or elements goes to *loss.
  Status (*linear_cross_entropy)(const LinearCrossEntropy<Scalar>& problem, double* loss,
                                 int threads);
  Status (*cross_entropy)(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits,
                          const Targets<Scalar>& targets, double* loss,
                          Scalar* dlogits,  // (R, V) contiguous, overwritten; or null
                          int threads);
  // -w (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))) for each of n elements; p counts
  // modulo `columns`. Gradients times `scale`.
  Status (*binary_cross_entropy)(std::int64_t n, const Scalar* logits, const Scalar* targets,
                                 const Scalar* weights,           // (n) or null: 1
                                 const Scalar* positive_weights,  // (columns) or null: 1
                                 std::int64_t columns, double scale, double* loss,
                                 Scalar* dlogits,  // (n) overwritten; or null
                                 int threads);
  // w (x - t)^2 for each of n elements.
  Status (*squared_error)(std::int64_t n, const Scalar* x, const Scalar* targets,
                          const Scalar* weights,  // (n) or null: 1
                          double scale, double* loss,
                          Scalar* dx,  // (n) overwritten; or null
                          int threads);
  // not_finite where a score is, or where a target has no alignment: more symbols, and blanks
  // between equal neighbours, than steps.
  Status (*ctc)(const CtcProblem<Scalar>& problem, double* loss,
                Scalar* dlogits,  // (T, B, V) overwritten, 0 past a length; or null
                int threads);
  // Rows (R, V) to their softmax, or its logarithm; y contiguous. not_finite where a score is NaN
  // or infinity, or all of a row are minus infinity.
  Status (*softmax)(std::int64_t R, std::int64_t V, Matrix<const Scalar> x, bool logarithm,
                    Scalar* y, int threads);

  // Conditional random fields. `crf_decode` writes the best tags (T, B) within the lengths and
  // their scores (B), -inf for a sequence without a path that is allowed.
  Status (*crf_sums)(const CrfChains<Scalar>& chains, const CrfSums<Scalar>& sums, int threads);
  Status (*crf_decode)(const CrfChains<Scalar>& chains, std::int64_t* tags, double* scores,
                       int threads);

  // Embedding: rows of a table (tokens, E), and gradients added to the rows they came from.
  // Rows of index `padding` get none.
  void (*embedding_gather)(std::int64_t R, std::int64_t E, const Scalar* table,
                           const std::int64_t* indices, Scalar* y, int threads);
  void (*embedding_scatter)(std::int64_t R, std::int64_t E, Matrix<const Scalar> dy,
                            const std::int64_t* indices, std::int64_t padding, Scalar* dtable,
                            int threads);

  // y = x times 0 or 1/(1 - probability), one draw per element; the same seed, the same mask.
  void (*dropout)(std::int64_t n, double probability, std::uint64_t seed, const Scalar* x,
                  Scalar* y, int threads);

  // Optimizers: values p, the gradients g of those that are touched, and the optimizer's memory.
  void (*sgd)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g,
              Scalar* momentum /* or null */, const SgdStep& step, int threads);
  void (*adam)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* mean,
               Scalar* square, const AdamStep& step, int threads);
  void (*rmsprop)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* square,
                  Scalar* mean /* centred, or null */, Scalar* momentum /* or null */,
                  const RmspropStep& step, int threads);
  void (*adagrad)(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* sum,
                  const AdagradStep& step, int threads);
  Status (*squared_norm)(std::int64_t n, const Scalar* x, double* sum, int threads);
  void (*set_to_zero)(std::int64_t n, Scalar* x, int threads);
  void (*scale)(std::int64_t n, Scalar* x, double factor, int threads);
  void (*clip)(std::int64_t n, Scalar* x, double bound, int threads);  // to [-bound, bound]

  // Is every number of R rows finite?
  bool (*all_finite)(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads);
  // The largest |x| of them; NaN if one is NaN or infinite.
  double (*largest)(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, int threads);

  void (*activation)(Activation which, std::int64_t n, const Scalar* x, Scalar* y);

  // Sampling. `draw` takes one token per row of logits (R, V), with the random number that belongs
  // to (seed, first_row + r, position); -1 where a logit is NaN or infinite. `feed` takes a step
  // per token, the same for all rows, -1 for a vector of zeros. `decode` feeds each row's last
  // token, steps and draws until each row has ended or is full, at most `count` times; not_finite
  // where `draw` gives -1.
  Status (*draw)(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits,
                 const DrawOptions& options, std::int64_t first_row, std::int64_t position,
                 std::int64_t* tokens);
  Status (*feed)(const Decoder<Scalar>& decoder, const std::int64_t* tokens, std::int64_t count,
                 int threads);
  Status (*decode)(const Decoder<Scalar>& decoder, const DrawOptions& options, Drawing& drawing,
                   std::int64_t count, int threads);
};

}  // namespace rnnfast
