#include "ctc_beam.h"

#include <algorithm>
#include <cmath>

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

CtcBeam::CtcBeam(const CtcSearchOptions& options)
    : options_(options), step_(static_cast<std::size_t>(options.classes)) {
  tree_.push_back({kNone, options.blank});
  tree_[0].users = 2;  // of which one is never given back: it stays
  tree_[0].in_beam = 0;
  if (options.hot_words != nullptr) tree_[0].hot = options.hot_words->start();
  beam_.push_back({0, 0.0, kLogZero, 0.0});
}

template <class Scalar>
bool CtcBeam::advance(const Scalar* log_probs) {
  const std::int64_t V = options_.classes, blank = options_.blank;
  std::copy(log_probs, log_probs + V, step_.begin());
  active_.clear();
  for (std::int64_t v = 0; v < V; ++v)
    if (v != blank && step_[v] >= options_.least) active_.push_back(v);
  if (!active_.empty() && weighs() && !weigh_beam()) return false;

  // A prefix stays as it is, by a blank or by its last symbol again. What grows into a prefix that
  // is in the beam already belongs to that one.
  const auto rows = static_cast<std::int64_t>(beam_.size());
  taken_.resize(rows * V);
  const auto grown = [&](const Prefix& prefix, std::int64_t v) {  // by its last only after a blank
    return (v == tree_[prefix.node].symbol ? prefix.blank_ended : prefix.total) + step_[v];
  };
  stay_.clear();
  for (const Prefix& prefix : beam_) {
    const Node& node = tree_[prefix.node];
    Prefix same = {prefix.node, prefix.total + step_[blank],
                   prefix.symbol_ended + step_[node.symbol], 0.0};
    const std::int64_t parent = node.parent == kNone ? kNone : tree_[node.parent].in_beam;
    if (parent != kNone && step_[node.symbol] >= options_.least) {
      same.symbol_ended = log_add(same.symbol_ended, grown(beam_[parent], node.symbol));
      taken_places_.push_back(parent * V + node.symbol);
      taken_[taken_places_.back()] = 1;
    }
    same.total = log_add(same.blank_ended, same.symbol_ended);
    stay_.push_back(same);
  }
  candidates_.clear();
  for (std::int64_t row = 0; row < rows; ++row)
    offer({stay_[row].total + tree_[stay_[row].node].extra, row, stay_[row].total});
  for (std::int64_t row = 0; row < rows; ++row) {
    const Node& node = tree_[beam_[row].node];
    const double* const added = node.row == kNone ? nullptr : added_of(node);
    for (const std::int64_t v : active_) {
      if (taken_[row * V + v] != 0) continue;
      const double log_prob = grown(beam_[row], v);
      const double extra = added == nullptr ? node.extra : node.extra + added[v];
      offer({log_prob + extra, rows + row * V + v, log_prob});
    }
  }
  for (const std::int64_t place : taken_places_) taken_[place] = 0;
  taken_places_.clear();
  std::sort(candidates_.begin(), candidates_.end(), better);
  next_.clear();
  for (const Candidate& c : candidates_)
    if (c.place < rows) next_.push_back(stay_[c.place]);
  for (const Candidate& c : candidates_) {
    if (c.place < rows) continue;
    const std::int64_t row = (c.place - rows) / V, symbol = (c.place - rows) % V;
    next_.push_back({child(beam_[row].node, symbol), kLogZero, c.log_prob, c.log_prob});
  }
  for (const Prefix& prefix : next_) ++tree_[prefix.node].users;
  for (const Prefix& prefix : beam_) {
    tree_[prefix.node].in_beam = kNone;
    release(prefix.node);
  }
  beam_.swap(next_);
  for (std::size_t row = 0; row < beam_.size(); ++row)
    tree_[beam_[row].node].in_beam = static_cast<std::int64_t>(row);
  return true;
}

template bool CtcBeam::advance(const float* log_probs);
template bool CtcBeam::advance(const double* log_probs);

bool CtcBeam::finish() {
  const bool ends_matter = options_.has_model || options_.hot_words != nullptr;
  return !ends_matter || weigh_beam();
}

// Makes what continuations add known for all of the beam; false if a language model has to be
// asked.
bool CtcBeam::weigh_beam() {
  for (const Prefix& prefix : beam_) {
    Node& node = tree_[prefix.node];
    if (node.row != kNone) continue;
    if (free_rows_.empty()) {
      node.row = static_cast<std::int64_t>(added_.size()) / options_.classes;
      added_.resize(added_.size() + options_.classes);
    } else {
      node.row = free_rows_.back();
      free_rows_.pop_back();
    }
    if (options_.has_model) {
      const std::int64_t parent = node.parent == kNone ? kNone : tree_[node.parent].row;
      requests_.push_back({node.row, parent, node.symbol});
      asking_.push_back(prefix.node);
    } else {
      fill_row(prefix.node, nullptr);
    }
  }
  return requests_.empty();
}

void CtcBeam::answer(const double* rows) {
  for (const std::int64_t node : asking_) {
    fill_row(node, rows);
    rows += options_.classes;
  }
  asking_.clear();
  requests_.clear();
}

void CtcBeam::fill_row(std::int64_t number, const double* model) {
  const Node& node = tree_[number];
  double* const added = added_.data() + node.row * options_.classes;
  const HotWords* const hot = options_.hot_words;
  for (std::int64_t v = 0; v < options_.classes; ++v) {
    const bool ends = v == options_.blank;
    added[v] = (ends ? 0.0 : options_.bonus) + (model == nullptr ? 0.0 : model[v]);
    if (hot == nullptr) continue;
    const std::int64_t then = ends ? hot->at_end(node.hot) : hot->after(node.hot, v).total;
    added[v] += options_.hot_bonus * static_cast<double>(then - node.hot.total);
  }
}

std::vector<CtcBeam::Labelling> CtcBeam::best(std::int64_t count) const {
  struct Place {
    double score;
    const Prefix* prefix;
  };
  std::vector<Place> order;
  order.reserve(beam_.size());
  for (const Prefix& prefix : beam_) {
    const Node& node = tree_[prefix.node];
    const double end = node.row == kNone ? 0.0 : added_of(node)[options_.blank];
    order.push_back({prefix.total + node.extra + end, &prefix});
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Place& a, const Place& b) { return a.score > b.score; });
  order.resize(std::min<std::size_t>(order.size(), count));
  std::vector<Labelling> found;
  for (const Place& place : order) {
    if (!(place.score > kLogZero)) break;
    Labelling labelling = {{}, place.prefix->total, place.score};
    for (std::int64_t node = place.prefix->node; node != 0; node = tree_[node].parent)
      labelling.symbols.push_back(tree_[node].symbol);
    std::reverse(labelling.symbols.begin(), labelling.symbols.end());
    found.push_back(std::move(labelling));
  }
  return found;
}

// Of two that are equally good the first one is better: so the order is total.
bool CtcBeam::better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.place < b.place);
}

void CtcBeam::offer(const Candidate& candidate) {
  if (!(candidate.score > kLogZero)) return;  // NaN too
  if (static_cast<std::int64_t>(candidates_.size()) == options_.size) {
    if (!better(candidate, candidates_.front())) return;
    std::pop_heap(candidates_.begin(), candidates_.end(), better);
    candidates_.pop_back();
  }
  candidates_.push_back(candidate);
  std::push_heap(candidates_.begin(), candidates_.end(), better);
}

std::int64_t CtcBeam::child(std::int64_t node, std::int64_t symbol) {
  for (std::int64_t c = tree_[node].first_child; c != kNone; c = tree_[c].next)
    if (tree_[c].symbol == symbol) return c;
  const std::int64_t number = new_node(node, symbol);
  Node& parent = tree_[node];
  Node& fresh = tree_[number];
  ++parent.users;
  fresh.next = parent.first_child;
  if (fresh.next != kNone) tree_[fresh.next].before = number;
  parent.first_child = number;
  fresh.extra = parent.extra;
  if (parent.row != kNone) fresh.extra += added_of(parent)[symbol];
  if (options_.hot_words != nullptr) fresh.hot = options_.hot_words->after(parent.hot, symbol);
  return number;
}

std::int64_t CtcBeam::new_node(std::int64_t parent, std::int64_t symbol) {
  if (free_ == kNone) {
    tree_.push_back({parent, symbol});
    return static_cast<std::int64_t>(tree_.size()) - 1;
  }
  const std::int64_t number = free_;
  free_ = tree_[number].next;
  tree_[number] = {parent, symbol};
  return number;
}

// One user fewer; what nobody uses is free, and a user of its parent fewer.
void CtcBeam::release(std::int64_t number) {
  while (--tree_[number].users == 0) {
    Node& node = tree_[number];
    const std::int64_t parent = node.parent;
    if (node.before != kNone) {
      tree_[node.before].next = node.next;
    } else {
      tree_[parent].first_child = node.next;
    }
    if (node.next != kNone) tree_[node.next].before = node.before;
    if (node.row != kNone) free_rows_.push_back(node.row);
    node.next = free_;
    free_ = number;
    number = parent;
  }
}

}  // namespace rnnfast
