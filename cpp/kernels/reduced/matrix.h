// A matrix of smaller numbers, and its products with rows of activations.
//
// Columns of the product are vectors of V units, `width` of them side by side in a panel: the gates
// ("slots") of a unit block, or of several blocks where a block has few.
//
//   weights     [panel][k / group][vector][V][group]      vector = block in panel * slots + slot
//   scale       [panel][vector][V]         correction      likewise: what `kShift` added, undone
#pragma once

#include "kernels/core/buffer.h"
#include "kernels/reduced/numbers.h"
#include "kernels/reduced/tiles.h"
#include "kernels/threads/parallel.h"

namespace rnnfast::reduced {

// Rows of activations as the kernels multiply them.
template <class N>
struct Rows {
  using Activation = typename N::Activation;

  Buffer<Activation> values;
  Buffer<float> scale;

  // Elements from a row to the next: some more than it has, so that rows do not share cache sets.
  static std::int64_t stride_of(std::int64_t columns) {
    return ceil_div(columns, 64) * 64 * N::kBytes +
           64 / static_cast<std::int64_t>(sizeof(Activation));
  }
  bool reserve(std::int64_t rows, std::int64_t columns) {
    const std::int64_t whole = rows + kTileRows - 1;  // tiles read whole ones, from any row on
    return values.reserve_zeroed(product_of(whole, stride_of(columns))) && scale.reserve(whole);
  }
  Activation* at(std::int64_t row, std::int64_t columns) {
    return values.data() + row * stride_of(columns);
  }
  void put(std::int64_t row, const float* x, std::int64_t columns) {
    scale[row] = N::row(x, columns, at(row, columns));
    fill_up(row, columns, columns);
  }
  void clear(std::int64_t row, std::int64_t columns) {
    scale[row] = 0;
    fill_up(row, columns, 0);
  }

 private:
  // What meets weights of 0 may be any integer, but not any number.
  void fill_up(std::int64_t row, std::int64_t columns, std::int64_t from) {
    if constexpr (!N::kExact)
      std::fill(at(row, columns) + from, at(row, columns) + padded_columns<N>(columns),
                Activation(0));
  }
};

// Blocks in a panel of so many slots each.
constexpr int panel_blocks(int slots) { return slots >= 3 ? 1 : slots == 2 ? 2 : 4; }
// Blocks of a layer, with room for whole panels of any matrix.
inline std::int64_t padded_blocks(std::int64_t units) { return ceil_div(units, 4 * V) * 4; }

template <class N>
struct Matrix {
  using Weight = typename N::Weight;

  std::int64_t units = 0, columns = 0, panels = 0;
  int slots = 0, width = 0;  // width: vectors of a panel
  int gates[4] = {};         // the gate of each slot
  Weight* weights = nullptr;
  float* scale = nullptr;
  std::int32_t* correction = nullptr;
  Buffer<char> memory;  // of a matrix that has its own

  std::int64_t panel_size() const { return padded_columns<N>(columns) * width * V; }
  std::int64_t outputs() const { return panels * width * V; }
  // Of the weights, and of all; -1: more than there can be.
  std::int64_t weight_bytes() const {
    return product_of(panels, panel_size(), static_cast<std::int64_t>(sizeof(Weight)));
  }
  std::int64_t bytes() const {
    const std::int64_t sizes[] = {weight_bytes(), N::kScaled ? product_of(outputs(), 8) : 0};
    return sum_of(sizes);
  }
  int blocks() const { return width / slots; }  // of a panel

  void describe(std::int64_t units_, std::int64_t columns_, const int* gates_, int slots_) {
    units = units_;
    columns = columns_;
    slots = slots_;
    std::copy_n(gates_, slots, gates);
    width = panel_blocks(slots) * slots;
    panels = ceil_div(units, panel_blocks(slots) * V);
  }
  // Into `bytes` of memory that is aligned to a cache line, and zero before `pack`.
  void place(void* at) {
    weights = static_cast<Weight*>(at);
    scale = reinterpret_cast<float*>(static_cast<char*>(at) + weight_bytes());
    correction = reinterpret_cast<std::int32_t*>(scale + outputs());
  }
  bool create(std::int64_t units_, std::int64_t columns_, const int* gates_, int slots_) {
    describe(units_, columns_, gates_, slots_);
    if (!memory.reserve_zeroed(bytes())) return false;
    place(memory.data());
    return true;
  }

  // Packs a panel of a parameter whose gates are blocks of `units` rows.
  void pack(const float* from, std::int64_t panel) {
    constexpr int group = N::kGroup;
    Weight* const to = weights + panel * panel_size();
    for (int j = 0; j < width; ++j)
      for (int v = 0; v < V; ++v) {
        const std::int64_t unit = (panel * blocks() + j / slots) * V + v;
        if (unit >= units) continue;
        const float* row = from + (gates[j % slots] * units + unit) * columns;
        const auto at = [&](std::int64_t k) -> Weight& {
          return to[((k / group * width + j) * V + v) * group + k % group];
        };
        if constexpr (N::kScaled) {
          const std::int64_t output = (panel * width + j) * V + v;
          const float by = weight_scale(row, columns);
          scale[output] = by;
          std::int32_t sum = 0;
          for (std::int64_t k = 0; k < columns; ++k) {
            const std::int8_t q = quantised(row[k], by);
            at(k) = q;
            sum += q;
          }
          correction[output] = -N::kShift * sum;
        } else {
          for (std::int64_t k = 0; k < columns; ++k) at(k) = bfloat16_of(row[k]);
        }
      }
  }

  // to[row][vector][V] = activations times a panel, plus `bias` [vector][V] unless that is null.
  void product(Rows<N>& a, std::int64_t row, std::int64_t rows, std::int64_t panel,
               const float* bias, float* to, std::int64_t to_stride) const {
    const std::int64_t first = panel * width * V;
    const Tile<N> tile = {weights + panel * panel_size(),
                          a.at(row, columns),
                          Rows<N>::stride_of(columns),
                          padded_columns<N>(columns) / N::kGroup,
                          scale + first,
                          correction + first,
                          a.scale.data() + row,
                          bias,
                          to,
                          to_stride};
    if (width == 4)
      multiply<N, 4>(tile, rows);
    else
      multiply<N, 3>(tile, rows);
  }

  // to[vector][V] = column k of a panel, plus `bias`.
  void column(std::int64_t k, std::int64_t panel, const float* bias, float* to) const {
    constexpr int group = N::kGroup;
    const Weight* const from = weights + panel * panel_size() + k / group * width * V * group;
    for (int j = 0; j < width; ++j) {
      Floats value = N::number(from + j * V * group, k % group);
      if constexpr (N::kScaled)
        value = mul(value, load(static_cast<const float*>(scale) + (panel * width + j) * V));
      store(to + j * V, add(load(bias + j * V), value));
    }
  }
};

}  // namespace rnnfast::reduced
