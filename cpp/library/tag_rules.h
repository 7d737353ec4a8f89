// Which labels may begin a sequence, follow each other and end it: the rules of BIO and of IOBES.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "library/fault.h"
#include "library/model.h"

namespace rnnfast::library {

class TagRules {
 public:
  // `scheme` as Python's tagger has it: "bio", "iobes", "bilou", or "auto", which the labels tell.
  TagRules(const std::string& scheme, const std::vector<std::string>& labels) : labels_(labels) {
    bio_ = scheme == "bio" || scheme == "auto";
    if (scheme != "bio" && scheme != "iobes" && scheme != "bilou" && scheme != "auto")
      fail_file("scheme: expected auto, bio, iobes or bilou, got " + shown(scheme));
    for (const std::string& label : labels) {
      const bool marks = label.size() >= 2 && label[1] == '-';
      if (label != "O" && !(marks && std::string("BIESLU").find(label[0]) != std::string::npos))
        fail_file("classes: expected O and labels of entities, got " + shown(label));
      if (scheme == "auto" && std::string("ESLU").find(label[0]) != std::string::npos) bio_ = false;
    }
  }

  bool starts(std::size_t tag) const { return bio_ ? !inside(tag) : !goes_on(tag); }
  bool ends(std::size_t tag) const { return bio_ || !opens(tag); }
  bool follows(std::size_t from, std::size_t to) const {
    const bool same = labels_[from] != "O" && kind(from) == kind(to);
    if (bio_) return !inside(to) || same;
    return opens(from) ? goes_on(to) && same : !goes_on(to);
  }
  // Whether there are labels for sequences of any length; else there are no rules.
  bool hold() const {
    for (std::size_t tag = 0; tag < labels_.size(); ++tag)
      if (starts(tag) && ends(tag) && follows(tag, tag)) return true;
    return false;
  }

  // What is forbidden has the score minus infinity.
  template <class Scalar>
  void apply(Crf<Scalar>& crf) const {
    constexpr Scalar never = -std::numeric_limits<Scalar>::infinity();
    const std::size_t K = labels_.size();
    for (std::size_t i = 0; i < K; ++i) {
      if (!starts(i)) crf.start.data()[i] = never;
      if (!ends(i)) crf.end.data()[i] = never;
      for (std::size_t j = 0; j < K; ++j)
        if (!follows(i, j)) crf.transitions.data()[i * K + j] = never;
    }
  }

 private:
  char prefix(std::size_t tag) const { return labels_[tag] == "O" ? 'O' : labels_[tag][0]; }
  std::string kind(std::size_t tag) const {
    return labels_[tag].size() > 2 ? labels_[tag].substr(2) : "";
  }
  bool inside(std::size_t tag) const { return prefix(tag) == 'I'; }
  bool opens(std::size_t tag) const { return prefix(tag) == 'B' || prefix(tag) == 'I'; }
  bool goes_on(std::size_t tag) const {
    return prefix(tag) == 'I' || prefix(tag) == 'E' || prefix(tag) == 'L';
  }

  const std::vector<std::string>& labels_;
  bool bio_ = true;
};

}  // namespace rnnfast::library
