// What a model answers of whole sequences.
#pragma once

#include "library/model.h"

namespace rnnfast::library {

struct Score {
  double log_prob = 0;
  std::int64_t num_tokens = 0;
};

// More steps are no sequence: sizes that follow from so many are numbers.
constexpr std::int64_t kMostSteps = std::int64_t(1) << 40;

// Of ids of the vocabulary, which a Fault calls `name`: log P of a running text, or of one line and
// its end.
Score score(const Model& model, const char* name, const std::vector<std::int64_t>& ids);

// Text that follows a prefix, with it.
std::string sample(const Model& model, std::string_view prefix, const rnnfast_sampling& options);

// One sequence: a series x (T, F) as it was before it was standardised, or ids (T).
struct Question {
  std::int64_t T = 0;
  const double* x = nullptr;
  const std::int64_t* ids = nullptr;
};

std::vector<std::int64_t> predict(const Model& model, const Question& question);
std::vector<double> probabilities(const Model& model, const Question& question);

// A Fault where an id is not one from 0 to size - 1.
void require_ids(const std::int64_t* ids, std::int64_t count, std::int64_t size);

}  // namespace rnnfast::library
