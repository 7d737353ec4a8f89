#include "hot_words.h"

#include <algorithm>
#include <bitset>

namespace rnnfast {

namespace {

// The bits from `first` on, up to and without `last`; at most 64 of them.
std::uint64_t bits_between(std::int64_t first, std::int64_t last) {
  if (last <= first) return 0;
  const std::uint64_t below = last >= 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << last) - 1;
  return below & ~((std::uint64_t(1) << first) - 1);
}

std::int64_t count_of(std::uint64_t bits) {
  return static_cast<std::int64_t>(std::bitset<64>(bits).count());
}

}  // namespace

HotWords::HotWords(const std::vector<std::vector<std::int64_t>>& words, std::int64_t classes,
                   std::int64_t space)
    : classes_(classes), space_(space) {
  for (const auto& word : words) {
    std::vector<std::int64_t> symbols = word;
    if (space >= 0) {
      symbols.insert(symbols.begin(), space);
      symbols.push_back(space);
    }
    std::int32_t place = 0;
    for (const std::int64_t symbol : symbols) {
      const auto fresh = static_cast<std::int32_t>(places_.size());
      const auto [found, is_new] = next_.try_emplace(key(place, symbol), fresh);
      if (is_new) {
        places_.emplace_back();
        places_.back().depth = places_[place].depth + 1;
      }
      place = found->second;
    }
    places_[place].ends = places_[place].depth;
  }
  // Shorter ones first, so that what a place falls back to is known.
  struct Edge {
    std::int32_t from, to;
    std::int64_t symbol;
  };
  std::vector<Edge> edges;
  edges.reserve(next_.size());
  for (const auto& [key, to] : next_)
    edges.push_back({static_cast<std::int32_t>(key / classes_), to, key % classes_});
  std::sort(edges.begin(), edges.end(), [&](const Edge& a, const Edge& b) {
    return places_[a.to].depth < places_[b.to].depth;
  });
  for (const Edge& edge : edges) {
    Place& place = places_[edge.to];
    std::int32_t from = edge.from;
    while (from != 0) {
      from = places_[from].fallback;
      const auto found = next_.find(key(from, edge.symbol));
      if (found == next_.end()) continue;
      place.fallback = found->second;
      break;
    }
    place.ends = std::max(place.ends, places_[place.fallback].ends);
  }
}

HotWords::State HotWords::start() const {
  if (space_ < 0) return {};
  State state = after({}, space_);
  state.counted = 0;
  return state;
}

HotWords::State HotWords::after(const State& state, std::int64_t symbol) const {
  State now = state;
  while (true) {
    const auto found = next_.find(key(now.place, symbol));
    if (found != next_.end()) {
      now.place = found->second;
      break;
    }
    if (now.place == 0) break;
    now.place = places_[now.place].fallback;
  }
  // The spaces around a word are no part of it.
  const Place& place = places_[now.place];
  const std::int64_t around = space_ >= 0 ? 1 : 0;
  now.counted <<= 1;
  const std::uint64_t whole = bits_between(around, place.ends - around) & ~now.counted;
  now.counted |= whole;
  now.whole += count_of(whole);
  now.total = now.whole + count_of(bits_between(0, place.depth - around) & ~now.counted);
  return now;
}

std::int64_t HotWords::at_end(const State& state) const {
  return space_ < 0 ? state.whole : after(state, space_).whole;
}

}  // namespace rnnfast
