// What a file holds: a network, and for a model what stands before and behind it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "library/layers.h"
#include "library/text.h"
#include "rnnfast/rnnfast.h"

namespace rnnfast::library {

// The scores of sequences of tags.
template <class Scalar>
struct Crf {
  Block<Scalar> start, end, transitions;
};

template <class Scalar>
struct Extras {
  Block<Scalar> output_weight;  // (V, H) of a language model, which scores texts
  Crf<Scalar> crf;              // without numbers: each step by itself
};

// What messages call it.
inline const char* name_of(rnnfast_kind kind) {
  constexpr const char* names[] = {"layers", "a language model", "a classifier", "a tagger",
                                   "a recognizer by CTC"};
  return names[kind];
}

struct Model {
  rnnfast_kind kind = RNNFAST_LAYERS;
  AnyNetwork network;
  std::variant<Extras<float>, Extras<double>> extras;
  bool has_tokens = false;
  Tokens tokens;
  bool lines = false;               // of a language model
  std::vector<double> mean, scale;  // of a series; empty: it is read as it is
  std::vector<std::string> labels;

  bool is_double() const { return network.index() == 1; }
  template <class Scalar>
  const Network<Scalar>& of() const {
    return std::get<Network<Scalar>>(network);
  }
  template <class Scalar>
  const Extras<Scalar>& more() const {
    return std::get<Extras<Scalar>>(extras);
  }
  // x (T, B, F) as the network reads it.
  template <class Number, class Scalar>
  void standardise(std::int64_t rows, const Number* x, Scalar* to) const {
    const auto F = static_cast<std::int64_t>(mean.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t f = 0; f < F; ++f) {
        const auto i = static_cast<std::size_t>(f);
        to[r * F + f] =
            static_cast<Scalar>((static_cast<double>(x[r * F + f]) - mean[i]) / scale[i]);
      }
  }
};

// Calls `use` with a number of the model's type.
template <class Use>
auto with_scalar(const Model& model, const Use& use) {
  return model.is_double() ? use(double()) : use(float());
}

Model read_model(const Archive& archive);

}  // namespace rnnfast::library
