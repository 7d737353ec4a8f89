// Series as a network reads them: each feature moved by its mean and divided by its scale.
#pragma once

#include <cstdint>
#include <vector>

namespace rnnfast {

class Standard {
 public:
  // Of `size` features.
  Standard(const double* mean, const double* scale, std::int64_t size);

  // Writes (x - mean) / scale, computed in double and rounded once, of so many steps of contiguous
  // numbers.
  template <class From, class To>
  void apply(const From* x, std::int64_t steps, To* to) const;

 private:
  std::int64_t size_;
  std::vector<double> mean_, scale_;  // over and over again, so that loops over few are long
};

}  // namespace rnnfast
