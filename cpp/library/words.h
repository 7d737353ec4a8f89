// Words, numbers and marks of ASCII text, as Python's WordTokenizer splits and joins them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rnnfast::library {

// By white space alone.
std::vector<std::string> split_at_spaces(std::string_view text);
std::vector<std::string> split_words(std::string_view text);
std::string join_words(const std::vector<std::string>& words);

}  // namespace rnnfast::library
