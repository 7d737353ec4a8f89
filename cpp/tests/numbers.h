// Numbers that the tests compute with.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace rnnfast {

// Whole numbers from -8 to 8: sums of their products are exact in either type.
template <class Scalar>
std::vector<Scalar> whole_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> draw(-8, 8);
  std::vector<Scalar> values(static_cast<std::size_t>(count));
  for (Scalar& value : values) value = static_cast<Scalar>(draw(random));
  return values;
}

// Numbers in [-1, 1], whose sums are rounded.
template <class Scalar>
std::vector<Scalar> real_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<Scalar> draw(-1, 1);
  std::vector<Scalar> values(static_cast<std::size_t>(count));
  for (Scalar& value : values) value = draw(random);
  return values;
}

}  // namespace rnnfast
