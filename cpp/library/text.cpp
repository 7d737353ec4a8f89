#include "library/text.h"

#include <algorithm>

#include "library/fault.h"
#include "library/utf8.h"
#include "library/words.h"

namespace rnnfast::library {

namespace {

constexpr std::int64_t kVocabularyVersion = 1;

// Whether composing could change a text: combining marks begin behind Latin Extended.
bool may_compose(const std::vector<std::string>& characters) {
  return std::any_of(characters.begin(), characters.end(), [](const std::string& character) {
    return character.size() > 2 || static_cast<unsigned char>(character[0]) >= 0xCC;
  });
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n' || text[i] == '\r')
      lines.emplace_back();
    else
      lines.back() += text[i];
  }
  return lines;
}

}  // namespace

Tokens::Tokens(const Json& tokenizer, const std::string& vocabulary) {
  if (!tokenizer.is_null()) {
    const std::string& type = tokenizer.at("type").string("tokenizer");
    if (type == "char") {
      require_known("tokenizer", tokenizer, {"type", "nfc"});
      kind_ = Kind::characters;
      nfc_ = tokenizer.at("nfc").boolean("nfc");
    } else if (type == "word") {
      require_known("tokenizer", tokenizer, {"type", "mode", "lower", "newline"});
      const std::string& mode = tokenizer.at("mode").string("mode");
      if (mode != "words" && mode != "whitespace")
        fail_file("mode: expected words or whitespace, got " + shown(mode));
      kind_ = mode == "words" ? Kind::words : Kind::white_space;
      lower_ = tokenizer.at("lower").boolean("lower");
      if (const Json* newline = tokenizer.find("newline")) newline_ = newline->string("newline");
    }
  }
  const Json content = Json::parse("vocabulary", vocabulary);
  if (content.at("format").string("format") != "rnnfast.vocabulary")
    fail_file("vocabulary: expected one of rnnfast, got another format");
  if (content.at("version").integer("version") != kVocabularyVersion)
    fail(RNNFAST_UNKNOWN_FORMAT, "vocabulary: expected version 1, got another");
  for (const Json& token : content.at("tokens").array("tokens")) {
    tokens_.push_back(token.string("token"));
    if (!ids_.emplace(tokens_.back(), size() - 1).second)
      fail_file("vocabulary: expected every token once, got " + shown(tokens_.back()) + " again");
  }
  if (tokens_.empty()) fail_file("vocabulary: expected at least one token, got none");
  const auto special = [&](const char* name) {
    const Json& token = content.at(name);
    if (token.is_null()) return std::int64_t(-1);
    const auto found = ids_.find(token.string(name));
    if (found == ids_.end()) fail_file(std::string(name) + ": expected one of the tokens");
    return found->second;
  };
  unknown_ = special("unk");
  end_ = special("eos");
}

std::int64_t Tokens::id(const std::string& token) const {
  const auto found = ids_.find(token);
  if (found != ids_.end()) return found->second;
  if (unknown_ < 0) fail_argument("token: expected one of the vocabulary, got " + shown(token));
  return unknown_;
}

std::vector<std::string> Tokens::split(std::string_view text) const {
  if (kind_ == Kind::none)
    fail_unsupported("text: expected a model of characters or words; ask for the id of each token");
  const std::size_t wrong = first_wrong_byte(text);
  if (wrong != text.size())
    fail_argument("text: expected UTF-8, got other bytes at " + std::to_string(wrong));
  if (kind_ == Kind::characters) {
    auto characters = code_points(text);
    if (nfc_ && may_compose(characters))
      fail_unsupported("text: expected Latin letters with nfc; ask for the id of each character");
    return characters;
  }
  std::string lowered(text);
  for (char& c : lowered) {
    if (static_cast<unsigned char>(c) > 127)
      fail_unsupported("text: expected ASCII with words; ask for the id of each token");
    if (lower_ && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto split = kind_ == Kind::words ? split_words : split_at_spaces;
  if (newline_.empty()) return split(lowered);
  std::vector<std::string> tokens;
  bool first = true;
  for (const std::string& line : lines_of(lowered)) {
    if (!first) tokens.push_back(newline_);
    first = false;
    for (auto& token : split(line)) tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<std::int64_t> Tokens::encode(std::string_view text) const {
  std::vector<std::int64_t> ids;
  for (const std::string& token : split(text)) ids.push_back(id(token));
  return ids;
}

std::string Tokens::join(const std::vector<std::string>& tokens) const {
  std::string text;
  if (kind_ == Kind::characters) {
    for (const std::string& token : tokens) text += token;
    return text;
  }
  std::vector<std::vector<std::string>> lines(1);
  for (const std::string& token : tokens) {
    if (!newline_.empty() && token == newline_)
      lines.emplace_back();
    else
      lines.back().push_back(token);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += '\n';
    if (kind_ == Kind::words) {
      text += join_words(lines[i]);
      continue;
    }
    for (std::size_t k = 0; k < lines[i].size(); ++k) text += (k > 0 ? " " : "") + lines[i][k];
  }
  return text;
}

}  // namespace rnnfast::library
