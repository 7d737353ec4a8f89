// A small recurrent layer and the linear one behind it, of one sequence and in one direction, for
// blocks of many short steps such as sound: the state stays where it is, nothing is asked a step.
//
// Sizes: T steps, I input, H hidden, O output features. Results carry the bits of RecurrentTable's
// and LinearTable's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/abi/table.h"

namespace rnnfast {

struct SmallNetwork;  // opaque: weights in the order in which a step reads them

template <class Scalar>
struct SmallWeights {
  LayerParameters<const Scalar*> layer;
  const Scalar *weight, *bias;  // (O, H), (O) or null: 0
  std::int64_t O;               // 0: the outputs are those of the layer
};

// The state of one sequence, in its owner's aligned memory. A step reads one h and writes the
// other.
template <class Scalar>
struct SmallState {
  Scalar *h[2], *c;  // of `padded` numbers each, zeros beyond H
  std::int64_t padded = 0;
  int now = 0;  // which h is the state

  // In `memory` of three times so many numbers.
  void place(Scalar* memory, std::int64_t padded_) {
    h[0] = memory;
    h[1] = memory + padded_;
    c = memory + 2 * padded_;
    padded = padded_;
    set(0, nullptr, nullptr);
  }
  // Null: zeros.
  void set(std::int64_t H, const Scalar* h_given, const Scalar* c_given) {
    std::fill_n(h[0], 3 * padded, Scalar(0));
    if (h_given != nullptr) std::copy_n(h_given, H, h[now]);
    if (c_given != nullptr) std::copy_n(c_given, H, c);
  }
};

template <class Scalar>
struct SmallTable {
  // Whether it is for a stack: one layer of cells that it knows, of sizes that it is fast with.
  bool (*fits)(const StackShape& shape, std::int64_t O);
  // Null: out of memory.
  SmallNetwork* (*create)(const StackShape& shape, const SmallWeights<Scalar>& weights);
  void (*free)(SmallNetwork* network);
  // How many numbers h and c of a state have: H, up to whole vectors.
  std::int64_t (*padded)(const StackShape& shape);
  // y (T, O) of x (T, I); the state becomes the final one. Steps read the weights up and down by
  // turns: what is read last of those that do not fit the first cache is still there for the next
  // step. Allocates nothing, and may run in several threads at once, on other states.
  void (*run)(const SmallNetwork* network, std::int64_t T, const Scalar* x,
              SmallState<Scalar>* state, Scalar* y);
};

struct SmallTables {
  SmallTable<float> f32;
  SmallTable<double> f64;
};

template <class Scalar>
const SmallTable<Scalar>& table_of(const SmallTables& tables);
template <>
inline const SmallTable<float>& table_of(const SmallTables& tables) {
  return tables.f32;
}
template <>
inline const SmallTable<double>& table_of(const SmallTables& tables) {
  return tables.f64;
}

// What the C library takes of one level's kernels; their version is of both.
struct LevelTables {
  const KernelTable* kernels;
  const SmallTables* small;
};

}  // namespace rnnfast
