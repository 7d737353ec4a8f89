#include "bindings/row_gradients.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace rnnfast {

std::vector<std::int64_t> RowGradients::place(const std::int64_t* indices, std::int64_t R,
                                              std::int64_t padding) {
  std::vector<std::int64_t> places(indices, indices + R);
  std::vector<std::int64_t> used = places;
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  used.erase(std::remove(used.begin(), used.end(), padding), used.end());
  const Rows& old = *rows_;
  auto all = std::make_unique<Rows>();
  all->reserve(old.size() + used.size());
  std::set_union(old.begin(), old.end(), used.begin(), used.end(), std::back_inserter(*all));

  if (const std::size_t bytes = all->size() * row_bytes_; bytes > block_->size()) {
    // By half at least: row by row, it would be copied as often as there are rows.
    auto larger = std::make_unique<Block>(std::max(bytes, block_->size() * 3 / 2));
    std::copy_n(block_->begin(), old.size() * row_bytes_, larger->begin());
    block_ = std::move(larger);
  }
  // From the last row on: none is overwritten before it has moved.
  std::size_t from = old.size();
  for (std::size_t to = all->size(); to-- > 0;) {
    std::byte* const row = block_->data() + to * row_bytes_;
    if (from == 0 || old[from - 1] != (*all)[to])
      std::memset(row, 0, row_bytes_);
    else if (--from != to)
      std::memcpy(row, block_->data() + from * row_bytes_, row_bytes_);
  }
  rows_ = std::move(all);

  for (std::int64_t& index : places)
    index = index == padding
                ? -1
                : std::lower_bound(rows_->begin(), rows_->end(), index) - rows_->begin();
  return places;
}

}  // namespace rnnfast
