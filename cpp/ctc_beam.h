// Prefix beam search through the scores of a CTC network (Graves et al. 2006, section 3.2; Graves
// and Jaitly 2014; Hannun et al. 2014): few numbers, many branches, nothing that wider vectors
// would help, so built once for any CPU.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "hot_words.h"

namespace rnnfast {

// How to search. Prefixes are ranked by log P of their paths and, added to it, what a language
// model says of them, `bonus` for each symbol, and `hot_bonus` for each symbol of a hot word.
struct CtcSearchOptions {
  std::int64_t classes, blank;
  std::int64_t size;  // prefixes that are kept
  double least;       // log P of a symbol from which on it prolongs a prefix
  double bonus = 0, hot_bonus = 0;
  const HotWords* hot_words = nullptr;  // null: none
  bool has_model = false;               // whether a language model's scores are given
};

// The likeliest prefixes of one sequence, step by step. A prefix is a node of a tree, so that the
// same symbols are the same node; nodes that lead to no prefix of the beam are used again.
class CtcBeam {
 public:
  struct Labelling {
    std::vector<std::int64_t> symbols;
    double log_prob, score;  // of its paths, and by which it is ranked
  };
  // A prefix that a language model is to tell the continuations of: `row` stands for it from then
  // on, `parent` (-1: none, it is empty) for the prefix that it prolongs by `symbol`.
  struct Request {
    std::int64_t row, parent, symbol;
  };

  explicit CtcBeam(const CtcSearchOptions& options);

  // Reads one step: log P of each class (classes). False: nothing was read, since `requests` of a
  // language model have to be answered first.
  template <class Scalar>
  bool advance(const Scalar* log_probs);
  // True if the score of every prefix is known should the text end here; else there are requests.
  bool finish();

  const std::vector<Request>& requests() const { return requests_; }
  // Answers the requests: for each in order a row (classes) of what is added for each symbol that
  // may follow and, in the place of the blank, if the text ends.
  void answer(const double* rows);

  // The `count` best prefixes after `finish`, the best one first; fewer where there are no more.
  std::vector<Labelling> best(std::int64_t count) const;

 private:
  static constexpr std::int64_t kNone = -1;

  struct Node {
    std::int64_t parent, symbol;
    std::int64_t first_child = kNone, next = kNone, before = kNone;  // `next`: sibling, or free
    std::int64_t users = 0;                                          // children, and the beam
    std::int64_t in_beam = kNone;                                    // its place there
    std::int64_t row = kNone;                                        // of `added_`
    double extra = 0;  // what is added to log P of its paths
    HotWords::State hot = {};
  };
  // log P of all paths of a prefix that end in a blank, of those that end in its last symbol, and
  // of both.
  struct Prefix {
    std::int64_t node;
    double blank_ended, symbol_ended, total;
  };
  // A prefix of the next step: one of those kept, or (row, symbol) of those grown.
  struct Candidate {
    double score;
    std::int64_t place;  // stays: its row; grown: rows + row * classes + symbol
    double log_prob;
  };

  static bool better(const Candidate& a, const Candidate& b);
  bool weighs() const {
    return options_.has_model || options_.hot_words != nullptr || options_.bonus != 0;
  }
  void offer(const Candidate& candidate);
  std::int64_t new_node(std::int64_t parent, std::int64_t symbol);
  std::int64_t child(std::int64_t node, std::int64_t symbol);
  void release(std::int64_t number);
  bool weigh_beam();
  void fill_row(std::int64_t number, const double* model);
  const double* added_of(const Node& node) const {
    return added_.data() + node.row * options_.classes;
  }

  CtcSearchOptions options_;
  std::vector<Node> tree_;
  std::int64_t free_ = kNone;
  std::vector<Prefix> beam_, stay_, next_;
  std::vector<double> step_;                // (classes)
  std::vector<std::int64_t> active_;        // symbols that may prolong a prefix at this step
  std::vector<unsigned char> taken_;        // (rows, classes): grows into a prefix of the beam
  std::vector<std::int64_t> taken_places_;  // where that is set
  std::vector<Candidate> candidates_;       // the best so far, a heap with the worst in front
  std::vector<double> added_;               // (rows, classes): what each continuation adds
  std::vector<std::int64_t> free_rows_;
  std::vector<Request> requests_;
  std::vector<std::int64_t> asking_;  // the nodes of the requests
};

}  // namespace rnnfast
