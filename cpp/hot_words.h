// Words that a search for symbols is told to expect: which symbols of a prefix belong to them.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace rnnfast {

// Counts the symbols of a prefix that stand in one of the words, or at its end begin one. An
// automaton of Aho and Corasick (1975), so that a step costs the same whatever words there are.
//
// With a `space`, the symbol between words, the words are whole ones: they begin at the beginning
// or after a space, and end at the end or before one. Without it (-1) they may stand anywhere.
class HotWords {
 public:
  // Symbols that a word may have: as many as a prefix remembers of whether they are counted.
  static constexpr std::int64_t kLongest = 62;

  // Of a prefix: where the automaton is, which of the last symbols stand in whole words, how many
  // symbols do in all, and how many with those that begin one.
  struct State {
    std::int32_t place = 0;
    std::int64_t whole = 0, total = 0;
    std::uint64_t counted = 0;
  };

  // `words`: of 1 to `kLongest` symbols each, from 0 to `classes` - 1.
  HotWords(const std::vector<std::vector<std::int64_t>>& words, std::int64_t classes,
           std::int64_t space);

  // The state of the empty prefix, and after one more symbol.
  State start() const;
  State after(const State& state, std::int64_t symbol) const;
  // How many symbols count if the text ends here: those of whole words.
  std::int64_t at_end(const State& state) const;

 private:
  struct Place {
    std::int32_t fallback = 0;         // the longest proper suffix that begins a word
    std::int32_t depth = 0, ends = 0;  // symbols so far, and of the longest word that ends here
  };

  std::int64_t key(std::int32_t place, std::int64_t symbol) const {
    return place * classes_ + symbol;
  }

  std::int64_t classes_, space_;
  std::vector<Place> places_{Place()};
  std::unordered_map<std::int64_t, std::int32_t> next_;
};

}  // namespace rnnfast
