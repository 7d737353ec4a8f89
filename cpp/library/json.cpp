#include "library/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <locale>
#include <sstream>

#include "library/fault.h"
#include "library/utf8.h"

namespace rnnfast::library {

namespace {
constexpr int kDeepest = 200;
constexpr int kMostValues = 4'000'000;  // some hundred bytes each
}  // namespace

class JsonReader {
 public:
  JsonReader(const std::string& name, std::string_view text) : name_(name), text_(text) {}

  Json whole() {
    const std::size_t wrong = first_wrong_byte(text_);
    if (wrong != text_.size())
      fail_file(name_ + ": expected UTF-8, got other bytes at " + std::to_string(wrong));
    Json value = read(0);
    skip_spaces();
    if (at_ != text_.size()) broken("the end");
    return value;
  }

 private:
  [[noreturn]] void broken(const char* expected) const {
    fail_file(name_ + ": expected JSON, got no " + expected + " at byte " + std::to_string(at_));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_spaces() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool take_after_spaces(char c) {
    skip_spaces();
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  Json read(int depth) {
    if (depth > kDeepest)
      fail_file(name_ + ": expected JSON of at most " + std::to_string(kDeepest) +
                " levels, got more");
    if (++values_ > kMostValues)
      fail_file(name_ + ": expected JSON of at most " + std::to_string(kMostValues) +
                " values, got more");
    skip_spaces();
    Json value;
    value.begin_ = at_;
    if (take("null")) {
    } else if (take("true")) {
      value.kind_ = Json::Kind::boolean;
      value.truth_ = true;
    } else if (take("false")) {
      value.kind_ = Json::Kind::boolean;
    } else if (peek() == '"') {
      value.kind_ = Json::Kind::string;
      value.text_ = read_string();
    } else if (take("[")) {
      value.kind_ = Json::Kind::array;
      read_array(value, depth);
    } else if (take("{")) {
      value.kind_ = Json::Kind::object;
      read_object(value, depth);
    } else {
      value.kind_ = Json::Kind::number;
      value.number_ = read_number();
      value.text_ = text_.substr(value.begin_, at_ - value.begin_);
    }
    value.end_ = at_;
    return value;
  }

  void read_array(Json& value, int depth) {
    if (take_after_spaces(']')) return;
    do {
      value.items_.push_back(read(depth + 1));
    } while (take_after_spaces(','));
    if (!take_after_spaces(']')) broken("end of an array");
  }

  void read_object(Json& value, int depth) {
    if (take_after_spaces('}')) return;
    do {
      skip_spaces();
      if (peek() != '"') broken("name in an object");
      std::string key = read_string();
      if (!take_after_spaces(':')) broken("colon");
      if (value.members_.count(key) != 0)
        fail_file(name_ + ": expected each name once, got " + shown(key) + " again");
      value.members_.emplace(std::move(key), read(depth + 1));
    } while (take_after_spaces(','));
    if (!take_after_spaces('}')) broken("end of an object");
  }

  double read_number() {
    if (take("NaN")) return std::numeric_limits<double>::quiet_NaN();
    const std::size_t begin = at_;
    const double sign = take("-") ? -1 : 1;
    if (take("Infinity")) return sign * std::numeric_limits<double>::infinity();
    const auto digits = [&] {
      if (peek() < '0' || peek() > '9') broken("number");
      while (peek() >= '0' && peek() <= '9') ++at_;
    };
    if (!take("0")) digits();
    if (take(".")) digits();
    if (take("e") || take("E")) {
      if (!take("+")) take("-");
      digits();
    }
    return to_double(std::string(text_.substr(begin, at_ - begin)));
  }

  // As the C locale reads it, whatever the program's.
  static double to_double(const std::string& digits) {
    if (digits.size() < 16 && digits.find_first_not_of("-0123456789") == std::string::npos)
      return static_cast<double>(std::strtoll(digits.c_str(), nullptr, 10));
#if defined(__cpp_lib_to_chars)
    double value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec == std::errc()) return value;
#endif
    std::istringstream stream(digits);
    stream.imbue(std::locale::classic());
    double parsed = 0;
    stream >> parsed;
    if (!stream.fail() || parsed == 0 || std::abs(parsed) < 1) return parsed;
    return std::copysign(std::numeric_limits<double>::infinity(), parsed);
  }

  unsigned read_hex() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) broken("four digits of an escape");
      code = code * 16 + static_cast<unsigned>(digit);
    }
    return code;
  }

  unsigned read_code_point() {
    const unsigned first = read_hex();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || !take("\\u")) broken("pair of surrogates");
    const unsigned second = read_hex();
    if (second < 0xDC00 || second > 0xDFFF) broken("pair of surrogates");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  std::string read_string() {
    std::string result;
    ++at_;
    for (;;) {
      if (at_ >= text_.size()) broken("end of a string");
      const char c = text_[at_++];
      if (c == '"') return result;
      if (static_cast<unsigned char>(c) < 32) broken("string without control characters");
      if (c != '\\') {
        result += c;
        continue;
      }
      constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
      const char escape = peek();
      const auto place = names.find(escape);
      ++at_;
      if (escape == 'u')
        append_utf8(result, read_code_point());
      else if (escape != '\0' && place != std::string_view::npos)
        result += meanings[place];
      else
        broken("escape in a string");
    }
  }

  const std::string& name_;
  std::string_view text_;
  std::size_t at_ = 0;
  int values_ = 0;
};

Json Json::parse(const std::string& name, std::string_view text) {
  return JsonReader(name, text).whole();
}

void Json::require(Kind kind, const std::string& name, const char* expected) const {
  static const char* const kinds[] = {"null",     "a boolean", "a number",
                                      "a string", "an array",  "an object"};
  if (kind_ != kind)
    fail_file(name + ": expected " + expected + ", got " + kinds[static_cast<int>(kind_)]);
}

bool Json::boolean(const std::string& name) const {
  require(Kind::boolean, name, "a boolean");
  return truth_;
}
double Json::number(const std::string& name) const {
  require(Kind::number, name, "a number");
  return number_;
}
std::int64_t Json::integer(const std::string& name) const {
  require(Kind::number, name, "an integer");
  constexpr double most = 9007199254740992.0;
  const bool whole = text_.find_first_not_of("-0123456789") == std::string::npos;
  if (!whole || std::abs(number_) > most)
    fail_file(name + ": expected an integer" + (whole ? " of at most 2**53" : "") + ", got " +
              text_.substr(0, 30) + (text_.size() > 30 ? "..." : ""));
  return static_cast<std::int64_t>(number_);
}
const std::string& Json::string(const std::string& name) const {
  require(Kind::string, name, "a string");
  return text_;
}
const std::vector<Json>& Json::array(const std::string& name) const {
  require(Kind::array, name, "an array");
  return items_;
}
const std::map<std::string, Json>& Json::object(const std::string& name) const {
  require(Kind::object, name, "an object");
  return members_;
}
const Json* Json::find(const std::string& key) const {
  const auto found = members_.find(key);
  return found == members_.end() ? nullptr : &found->second;
}
const Json& Json::at(const std::string& key) const {
  require(Kind::object, key, "to stand in an object");
  const Json* found = find(key);
  if (found == nullptr) fail_file(key + ": expected it in the description, got none");
  return *found;
}

void require_known(const std::string& of, const Json& object,
                   std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : object.object(of))
    if (std::find(names.begin(), names.end(), name) == names.end())
      fail_unsupported(of + ": expected options that this library knows, got " + shown(name));
}

}  // namespace rnnfast::library
