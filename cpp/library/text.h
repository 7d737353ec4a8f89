// What a model's tokens are: text to ids and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "library/json.h"

namespace rnnfast::library {

class Tokens {
 public:
  Tokens() = default;
  // `tokenizer` null, or of a kind that is not here: callers have the tokens.
  Tokens(const Json& tokenizer, const std::string& vocabulary);

  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  const std::string& at(std::int64_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
  std::int64_t unknown() const { return unknown_; }  // -1: there is none
  std::int64_t end() const { return end_; }

  // A Fault where the token is not known and there is none that stands for it.
  std::int64_t id(const std::string& token) const;
  // A Fault where the text is not UTF-8, or of what the tokenizer is not here for.
  std::vector<std::string> split(std::string_view text) const;
  std::vector<std::int64_t> encode(std::string_view text) const;
  std::string join(const std::vector<std::string>& tokens) const;

 private:
  enum class Kind { none, characters, words, white_space };

  Kind kind_ = Kind::none;
  bool nfc_ = false, lower_ = false;
  std::string newline_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int64_t> ids_;
  std::int64_t unknown_ = -1, end_ = -1;
};

}  // namespace rnnfast::library
