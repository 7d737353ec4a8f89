// Prefix beam search through the scores of a CTC network (Graves et al. 2006, section 3.2): few
// numbers, many branches, nothing that wider vectors would help, so built once for any CPU.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace rnnfast {

// The likeliest prefixes of one sequence, step by step. A prefix is a node of a tree: its number
// leads to its parent's number and its last symbol, so that the same symbols always have the same
// number. The empty prefix is number 0.
class CtcBeam {
 public:
  struct Labelling {
    std::vector<std::int64_t> symbols;
    double log_prob;
  };

  // `size` prefixes are kept of those of `classes` symbols, the blank among them.
  CtcBeam(std::int64_t classes, std::int64_t blank, std::int64_t size);

  // Reads one step: log P of each class (classes).
  void advance(const double* log_probs);

  // The `count` likeliest prefixes, the best one first; fewer where there are no more.
  std::vector<Labelling> best(std::int64_t count) const;

 private:
  struct Node {
    std::int64_t parent, symbol;
  };
  // log P of all paths of a prefix that end in a blank, of those that end in its last symbol, and
  // of both.
  struct Prefix {
    std::int64_t node;
    double blank_ended, symbol_ended, total;
  };
  // A prefix of the next step: one of those kept, or (row, symbol) of those grown.
  struct Candidate {
    double log_prob;
    std::int64_t place;  // stays: its row; grown: rows + row * classes + symbol
  };

  static bool better(const Candidate& a, const Candidate& b);
  void offer(const Candidate& candidate);
  std::int64_t child(std::int64_t node, std::int64_t symbol);

  std::int64_t classes_, blank_, size_;
  std::vector<Node> tree_;
  std::unordered_map<std::int64_t, std::int64_t> children_;  // node * classes + symbol -> node
  std::vector<Prefix> beam_, stay_, next_;
  std::vector<double> grown_;          // (rows, classes)
  std::vector<Candidate> candidates_;  // the best so far, a heap with the worst in front
  std::unordered_map<std::int64_t, std::int64_t> row_of_;  // node -> row of the beam
};

}  // namespace rnnfast
