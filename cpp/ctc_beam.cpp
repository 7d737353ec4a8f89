#include "ctc_beam.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rnnfast {

namespace {

constexpr double kLogZero = -std::numeric_limits<double>::infinity();

// log(exp(a) + exp(b))
double log_add(double a, double b) {
  const double most = std::max(a, b);
  if (most == kLogZero) return most;
  return most + std::log1p(std::exp(std::min(a, b) - most));
}

}  // namespace

CtcBeam::CtcBeam(std::int64_t classes, std::int64_t blank, std::int64_t size)
    : classes_(classes),
      blank_(blank),
      size_(size),
      tree_{{-1, blank}},
      beam_{{0, 0.0, kLogZero, 0.0}} {}

void CtcBeam::advance(const double* log_probs) {
  const auto rows = static_cast<std::int64_t>(beam_.size());
  row_of_.clear();
  for (std::int64_t row = 0; row < rows; ++row) row_of_[beam_[row].node] = row;
  // A prefix grows by a symbol; by its last one only after a blank.
  grown_.resize(rows * classes_);
  for (std::int64_t row = 0; row < rows; ++row) {
    const Prefix& prefix = beam_[row];
    double* const grown = grown_.data() + row * classes_;
    for (std::int64_t v = 0; v < classes_; ++v) grown[v] = prefix.total + log_probs[v];
    const std::int64_t last = tree_[prefix.node].symbol;
    grown[last] = prefix.blank_ended + log_probs[last];
    grown[blank_] = kLogZero;
  }
  // Or it stays as it is, by a blank or by its last symbol again. What grows into a prefix that is
  // in the beam already belongs to that one.
  stay_.clear();
  for (const Prefix& prefix : beam_) {
    const Node node = tree_[prefix.node];
    Prefix same = {prefix.node, prefix.total + log_probs[blank_],
                   prefix.symbol_ended + log_probs[node.symbol], 0.0};
    if (const auto parent = row_of_.find(node.parent); parent != row_of_.end()) {
      double& from_parent = grown_[parent->second * classes_ + node.symbol];
      same.symbol_ended = log_add(same.symbol_ended, from_parent);
      from_parent = kLogZero;
    }
    same.total = log_add(same.blank_ended, same.symbol_ended);
    stay_.push_back(same);
  }
  candidates_.clear();
  for (std::int64_t row = 0; row < rows; ++row) offer({stay_[row].total, row});
  for (std::int64_t i = 0; i < rows * classes_; ++i) offer({grown_[i], rows + i});
  std::sort(candidates_.begin(), candidates_.end(), better);
  next_.clear();
  for (const Candidate& c : candidates_)
    if (c.place < rows) next_.push_back(stay_[c.place]);
  for (const Candidate& c : candidates_) {
    if (c.place < rows) continue;
    const std::int64_t row = (c.place - rows) / classes_, symbol = (c.place - rows) % classes_;
    next_.push_back({child(beam_[row].node, symbol), kLogZero, c.log_prob, c.log_prob});
  }
  beam_.swap(next_);
}

std::vector<CtcBeam::Labelling> CtcBeam::best(std::int64_t count) const {
  std::vector<const Prefix*> order;
  order.reserve(beam_.size());
  for (const Prefix& prefix : beam_) order.push_back(&prefix);
  std::stable_sort(order.begin(), order.end(),
                   [](const Prefix* a, const Prefix* b) { return a->total > b->total; });
  order.resize(std::min<std::size_t>(order.size(), count));
  std::vector<Labelling> found;
  for (const Prefix* prefix : order) {
    Labelling labelling = {{}, prefix->total};
    for (std::int64_t node = prefix->node; node != 0; node = tree_[node].parent)
      labelling.symbols.push_back(tree_[node].symbol);
    std::reverse(labelling.symbols.begin(), labelling.symbols.end());
    found.push_back(std::move(labelling));
  }
  return found;
}

// Of two that are equally likely the first one is better: so the order is total.
bool CtcBeam::better(const Candidate& a, const Candidate& b) {
  return a.log_prob > b.log_prob || (a.log_prob == b.log_prob && a.place < b.place);
}

void CtcBeam::offer(const Candidate& candidate) {
  if (candidate.log_prob == kLogZero) return;
  if (static_cast<std::int64_t>(candidates_.size()) == size_) {
    if (!better(candidate, candidates_.front())) return;
    std::pop_heap(candidates_.begin(), candidates_.end(), better);
    candidates_.pop_back();
  }
  candidates_.push_back(candidate);
  std::push_heap(candidates_.begin(), candidates_.end(), better);
}

std::int64_t CtcBeam::child(std::int64_t node, std::int64_t symbol) {
  const auto number = static_cast<std::int64_t>(tree_.size());
  const auto [place, is_new] = children_.try_emplace(node * classes_ + symbol, number);
  if (is_new) tree_.push_back({node, symbol});
  return place->second;
}

}  // namespace rnnfast
