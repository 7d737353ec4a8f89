// Layers one after the other, on the kernels' packed copies of their weights.
//
// Sizes: T steps, B sequences, F numbers of a step; values are (T, B, F), contiguous.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "library/archive.h"
#include "library/kernels.h"
#include "library/memory.h"

namespace rnnfast::library {

// A recurrent layer, of any number of layers and directions.
template <class Scalar>
struct RecurrentPart {
  struct Free {
    const RecurrentTable<Scalar>* table;
    void operator()(Packed* packed) const { table->packed_free(packed); }
  };
  StackShape shape = {};
  std::shared_ptr<Packed> packed;
  // Those of a small layer as they came, for streams.
  std::shared_ptr<const std::vector<Block<Scalar>>> kept;
  LayerParameters<const Scalar*> parameters = {};

  std::int64_t state_size(std::int64_t B) const {
    return shape.L * shape.D * B * (shape.P + (shape.cell->has_memory() ? shape.memory() : 0));
  }
};

template <class Scalar>
struct LinearPart {
  std::int64_t I = 0, O = 0;
  std::shared_ptr<Block<Scalar>> packed, bias;  // the latter null: there is none
  std::shared_ptr<const Block<Scalar>> weight;  // of a small one, as it came
};

template <class Scalar>
struct EmbeddingPart {
  std::int64_t count = 0, E = 0;
  std::shared_ptr<Block<Scalar>> table;
};

enum class Function { tanh, relu, sigmoid };
struct ActivationPart {
  Function function;
};

enum class Pool { last, mean, max, concat };
struct PoolingPart {
  Pool how;
  int directions;
};

template <class Scalar>
struct Network;

// y = x + f(x)
template <class Scalar>
struct ResidualPart {
  std::shared_ptr<const Network<Scalar>> inner;
};

template <class Scalar>
using Part = std::variant<RecurrentPart<Scalar>, LinearPart<Scalar>, EmbeddingPart<Scalar>,
                          ActivationPart, PoolingPart, ResidualPart<Scalar>>;

template <class Scalar>
struct Network {
  std::vector<Part<Scalar>> parts;
  std::vector<std::int64_t> widths;  // numbers of a step that each part takes, and the last gives

  // Appends a part; a Fault where it does not take what the one before gives.
  void add(Part<Scalar> part);

  std::int64_t input_size() const { return widths.front(); }
  std::int64_t output_size() const { return widths.back(); }
  bool takes_ids() const;      // the first part is an embedding, or recurrent
  bool takes_numbers() const;  // it is no embedding
  bool pools() const;
  bool steps() const;  // whether a stream can be made: one direction, no pooling
};

// A batch: x (T, B, F) or ids (T, B), the other one null.
template <class Scalar>
struct Batch {
  std::int64_t T, B;
  const Scalar* x;
  const std::int64_t* ids;
};

// The outputs (T, B, F), or (B, F) where the network pools; `states`, unless null, holds those of
// all recurrent parts one after the other, as rnnfast_get_state has them, and becomes the final
// ones.
template <class Scalar>
Block<Scalar> forward(const Network<Scalar>& network, const Batch<Scalar>& batch,
                      Block<Scalar>* states = nullptr);

void require_ok(Status status);

}  // namespace rnnfast::library
