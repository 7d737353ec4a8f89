// Linear layers in smaller numbers: the functions of LinearTable that inference takes.
#pragma once

#include <memory>
#include <new>

#include "kernels/abi/linear.h"
#include "kernels/reduced/matrix.h"

namespace rnnfast::reduced {

template <class N>
class Linear {
 public:
  static std::int64_t packed_size(std::int64_t I, std::int64_t O) {  // in float
    return ceil_div(described(I, O).bytes(), static_cast<std::int64_t>(sizeof(float)));
  }

  static void pack(std::int64_t I, std::int64_t O, const float* from, float* packed, int threads) {
    reduced::Matrix<N> weight = described(I, O);
    std::fill_n(packed, packed_size(I, O), 0.0f);
    weight.place(packed);
    parallel(useful_threads(threads, weight.bytes(), 1 << 17), [&](int rank, int size) {
      const Range mine = share(weight.panels, rank, size);
      for (std::int64_t panel = mine.begin; panel < mine.end; ++panel) weight.pack(from, panel);
    });
  }

  // Threads take rows where there are many, else panels.
  static Status forward(const LinearShape& shape, rnnfast::Matrix<const float> x,
                        const float* packed, const float* bias, rnnfast::Matrix<float> y,
                        int threads) {
    reduced::Matrix<N> weight = described(shape.I, shape.O);
    weight.place(const_cast<float*>(packed));
    threads = useful_threads(threads, shape.R * weight.bytes(), 1 << 21);
    const bool by_rows = shape.R >= 16 * threads;
    const std::int64_t width = weight.width * V;
    std::unique_ptr<Rows<N>[]> rows(new (std::nothrow) Rows<N>[static_cast<std::size_t>(threads)]);
    Buffer<float> shift;  // the bias, with room for whole panels
    if (!rows || !shift.reserve_zeroed(weight.panels * width)) return Status::out_of_memory;
    if (bias != nullptr) std::copy_n(bias, shape.O, shift.data());
    for (int i = 0; i < threads; ++i)
      if (!rows[i].reserve(std::min(shape.R, kRows), shape.I)) return Status::out_of_memory;
    parallel(threads, [&](int rank, int size) {
      [[maybe_unused]] const TileRegisters registers(std::min(shape.R, kRows));
      const Range mine = by_rows ? share(shape.R, rank, size) : Range{0, shape.R};
      const Range panels = by_rows ? Range{0, weight.panels} : share(weight.panels, rank, size);
      for (std::int64_t r = mine.begin; r < mine.end; r += kRows) {
        const std::int64_t count = std::min(kRows, mine.end - r);
        for (std::int64_t m = 0; m < count; ++m)
          rows[rank].put(m, x.data + (r + m) * x.stride, shape.I);
        for (std::int64_t panel = panels.begin; panel < panels.end; ++panel)
          product(weight, rows[rank], count, panel, shift.data() + panel * width,
                  {y.data + r * y.stride, y.stride});
      }
    });
    return Status::ok;
  }

 private:
  static constexpr std::int64_t kRows = 96;  // that become activations at once

  static reduced::Matrix<N> described(std::int64_t I, std::int64_t O) {
    reduced::Matrix<N> weight;
    const int first = 0;
    weight.describe(O, I, &first, 1);
    return weight;
  }

  static void product(const reduced::Matrix<N>& weight, Rows<N>& left, std::int64_t count,
                      std::int64_t panel, const float* bias, rnnfast::Matrix<float> y) {
    alignas(64) float sums[kRows * 4 * V];
    const std::int64_t width = weight.width * V, first = panel * width;
    weight.product(left, 0, count, panel, bias, sums, width);
    for (std::int64_t m = 0; m < count; ++m)
      std::memcpy(y.data + m * y.stride + first, sums + m * width,
                  static_cast<std::size_t>(std::min(width, weight.units - first)) * sizeof(float));
  }
};

}  // namespace rnnfast::reduced
