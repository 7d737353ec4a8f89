// A strict reader of JSON, RFC 8259, with limits: for files that anybody may have written.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rnnfast::library {

// A value, and where its text stands in the whole.
class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  // Throws a Fault of RNNFAST_BAD_FILE, in one line that begins with `name`, where the text is not
  // UTF-8 or no JSON, nests more than 200 levels deep or has a key twice. NaN and Infinity are
  // numbers, as Python writes them.
  static Json parse(const std::string& name, std::string_view text);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_null() const { return is(Kind::null); }

  // What it holds; a Fault that names `name` where it is of another kind.
  bool boolean(const std::string& name) const;
  double number(const std::string& name) const;
  // Written without a point, as Python writes integers, and such that a double holds it exactly.
  std::int64_t integer(const std::string& name) const;
  const std::string& string(const std::string& name) const;
  const std::vector<Json>& array(const std::string& name) const;
  const std::map<std::string, Json>& object(const std::string& name) const;

  // A member of an object; null where there is none, or it is no object.
  const Json* find(const std::string& key) const;
  // The same; a Fault where there is none.
  const Json& at(const std::string& key) const;

  std::size_t begin() const { return begin_; }
  std::size_t end() const { return end_; }

 private:
  friend class JsonReader;
  void require(Kind kind, const std::string& name, const char* expected) const;

  Kind kind_ = Kind::null;
  bool truth_ = false;
  double number_ = 0;
  std::size_t begin_ = 0, end_ = 0;
  std::string text_;  // a string; of a number what stands for it
  std::vector<Json> items_;
  std::map<std::string, Json> members_;
};

// A Fault of RNNFAST_UNSUPPORTED where an object has other members than these: an option of a later
// version, say, that may change what comes out.
void require_known(const std::string& of, const Json& object,
                   std::initializer_list<std::string_view> names);

}  // namespace rnnfast::library
