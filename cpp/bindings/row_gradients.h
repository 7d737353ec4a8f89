// Gradients of a table of which each pass uses few rows: of those rows alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rnnfast {

// The rows that were used since the last `clear`, and a gradient for each. Blocks move as rows
// come, so every use of them holds the buffer's mutex. What they are kept in is exchanged at once:
// a process that is forked while another thread adds rows finds the rows of before or of after.
class RowGradients {
 public:
  RowGradients(std::int64_t width, std::size_t item_size)
      : width_(width), row_bytes_(static_cast<std::size_t>(width) * item_size) {}

  std::int64_t width() const { return width_; }                               // numbers of a row
  const std::vector<std::int64_t>& rows() const { return *rows_; }            // (K) ascending
  std::int64_t size() const { return std::int64_t(rows_->size()) * width_; }  // K * width
  std::size_t bytes() const { return rows_->size() * row_bytes_; }
  // (K, width), in the order of the rows.
  template <class Scalar>
  Scalar* data() {
    return reinterpret_cast<Scalar*>(block_->data());
  }

  // Lets the rows of R indices, in any order, be among those kept; gradients of new ones are 0.
  // Returns where each index's row stands; -1 for `padding`, which has none.
  std::vector<std::int64_t> place(const std::int64_t* indices, std::int64_t R,
                                  std::int64_t padding);
  void clear() { rows_ = std::make_unique<Rows>(); }

 private:
  using Rows = std::vector<std::int64_t>;
  using Block = std::vector<std::byte>;

  std::int64_t width_;
  std::size_t row_bytes_;
  std::unique_ptr<Rows> rows_ = std::make_unique<Rows>();
  std::unique_ptr<Block> block_ = std::make_unique<Block>();  // as long as it ever had to be
};

}  // namespace rnnfast
