#include "library/words.h"

#include <algorithm>
#include <set>

namespace rnnfast::library {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }
bool is_word(char c) { return is_alphanumeric(c) || c == '_'; }

// The alternatives of Python's pattern: each returns where its match ends, or `at` if there is
// none.
class Matcher {
 public:
  explicit Matcher(std::string_view text) : text_(text) {}

  std::size_t match(std::size_t at) const {
    for (const auto alternative : {&Matcher::run, &Matcher::negative_number, &Matcher::number,
                                   &Matcher::abbreviation, &Matcher::word})
      if (const std::size_t end = (this->*alternative)(at); end > at) return end;
    return at + 1;  // any other mark
  }

 private:
  char get(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  bool after_word(std::size_t at) const { return at > 0 && is_word(text_[at - 1]); }
  template <class Is>
  std::size_t skip(std::size_t at, Is is) const {
    while (at < text_.size() && is(text_[at])) ++at;
    return at;
  }

  std::size_t run(std::size_t at) const {  // a dash, an ellipsis
    const char c = get(at);
    if (c != '-' && c != '.') return at;
    const std::size_t end = skip(at, [c](char other) { return other == c; });
    return end - at >= 2 ? end : at;
  }
  std::size_t decimals(std::size_t at) const {  // (?:[.,:]\d+)*
    while ((get(at) == '.' || get(at) == ',' || get(at) == ':') && is_digit(get(at + 1)))
      at = skip(at + 1, is_digit);
    return at;
  }
  std::size_t negative_number(std::size_t at) const {
    if (get(at) != '-' || after_word(at) || !is_digit(get(at + 1))) return at;
    return decimals(skip(at + 1, is_digit));
  }
  std::size_t number(std::size_t at) const {
    const std::size_t whole = skip(at, is_digit), end = decimals(whole);
    return whole > at && end > whole ? end : at;
  }
  std::size_t abbreviation(std::size_t at) const {
    std::size_t end = at;
    int count = 0;
    while (is_letter(get(end)) && !after_word(end) && get(end + 1) == '.') {
      end += 2;
      ++count;
    }
    return count >= 2 ? end : at;
  }
  std::size_t word(std::size_t at) const {
    std::size_t end = skip(at, is_alphanumeric);
    if (end == at) return at;
    while ((get(end) == '\'' || get(end) == '_' || get(end) == '-') &&
           is_alphanumeric(get(end + 1)))
      end = skip(end + 1, is_alphanumeric);
    return end;
  }

  std::string_view text_;
};

}  // namespace

std::vector<std::string> split_at_spaces(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::vector<std::string> split_words(std::string_view text) {
  const Matcher matcher(text);
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    const std::size_t end = matcher.match(at);
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string join_words(const std::vector<std::string>& words) {
  static const std::set<std::string> no_space_before = {
      ".", ",", ";",      ":",      "!",      "?",      "%",   ")",
      "]", "}", "\u2026", "\u2019", "\u201d", "\u00bb", "...", "/"};
  static const std::set<std::string> no_space_after = {
      "(",      "[",      "{", "\u201c", "\u2018", "\u201e", "\u00ab",
      "\u00bf", "\u00a1", "$", "\u00a3", "\u20ac", "/"};
  std::string text;
  std::set<std::string> open_quotes;
  bool glue = true;  // the next word follows without a space
  for (const std::string& word : words) {
    const bool closes = open_quotes.count(word) != 0;
    const bool two_stops = !word.empty() && word[0] == '.' && !text.empty() && text.back() == '.';
    const bool follows = no_space_before.count(word) != 0 && !two_stops;
    if (!glue && !closes && !follows) text += ' ';
    text += word;
    const bool opens = (word == "\"" || word == "'") && !closes;
    if (opens)
      open_quotes.insert(word);
    else if (closes)
      open_quotes.erase(word);
    glue = opens || no_space_after.count(word) != 0;
  }
  return text;
}

}  // namespace rnnfast::library
