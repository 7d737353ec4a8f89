// Linear layers: y = x W^T + b over rows.
#pragma once

#include "kernels/abi/linear.h"
#include "kernels/gemm/column.h"
#include "kernels/gemm/multiply.h"

namespace rnnfast {

// W (O, I) in the order `linear_forward` reads: panels of O, each (I, width); or as it is, of a
// single output.
template <class Scalar>
std::int64_t linear_packed_size(std::int64_t I, std::int64_t O) {
  if (is_column<Scalar>(I, O)) return I;
  return Panels<Scalar>(O).padded() * I;
}

template <class Scalar>
void linear_pack(std::int64_t I, std::int64_t O, const Scalar* weight, Scalar* packed,
                 int threads) {
  if (is_column<Scalar>(I, O)) {
    std::copy_n(weight, I, packed);
    return;
  }
  const Panels<Scalar> panels(O);
  parallel(useful_threads(threads, I * O, 1 << 18), [&](int rank, int size) {
    const Range mine = share(panels.count(), rank, size);
    for (std::int64_t p = mine.begin; p < mine.end; ++p)
      pack_panel(RightByColumns<Scalar>{weight, I}, panels, p, 0, I, packed + panels.begin(p) * I);
  });
}

template <class Scalar>
void column_forward(const LinearShape& shape, Matrix<const Scalar> x, const Scalar* weight,
                    Scalar bias, Matrix<Scalar> y, int threads) {
  constexpr int at_once = 8;
  const ColumnRows<Scalar> column(shape.I);
  parallel(useful_threads(threads, shape.R * shape.I, 1 << 18), [&](int rank, int size) {
    const Range mine = share(shape.R, rank, size);
    std::int64_t r = mine.begin;
    const auto next = [&](auto rows) {
      column.template multiply<rows>(x.data + r * x.stride, x.stride, weight, bias,
                                     y.data + r * y.stride, y.stride);
      r += rows;
    };
    while (r + at_once <= mine.end) next(std::integral_constant<int, at_once>());
    while (r < mine.end) next(std::integral_constant<int, 1>());
  });
}

template <class Scalar>
Status linear_forward(const LinearShape& shape, Matrix<const Scalar> x, const Scalar* packed,
                      const Scalar* bias, Matrix<Scalar> y, int threads) {
  if (is_column<Scalar>(shape.I, shape.O)) {
    column_forward(shape, x, packed, bias != nullptr ? *bias : Scalar(0), y, threads);
    return Status::ok;
  }
  const Start start = bias != nullptr ? Start::column_bias : Start::zero;
  multiply(shape.R, shape.O, shape.I, LeftByRows<Scalar>{x.data, x.stride},
           RightPacked<Scalar>{packed, shape.I}, Target<Scalar>{y.data, y.stride, start, bias},
           static_cast<Scalar*>(nullptr), threads);
  return Status::ok;
}

// sums[c] += sum over r of x[r][c], in the order of `multiply`: blocks of rows.
template <class Scalar>
void add_column_sums(std::int64_t R, std::int64_t columns, Matrix<const Scalar> x, Scalar* sums,
                     int threads) {
  constexpr int V = lanes<Scalar>;
  parallel(useful_threads(threads, R * columns, 1 << 18), [&](int rank, int size) {
    const Range mine = share(columns, 64, rank, size);
    for (std::int64_t r0 = 0; r0 < R; r0 += kDepth) {
      const std::int64_t r1 = std::min(R, r0 + kDepth);
      for (std::int64_t c = mine.begin; c < mine.end; c += V) {
        const std::int64_t count = mine.end - c;
        auto sum = zeros<Scalar>();
        for (std::int64_t r = r0; r < r1; ++r)
          sum = add(sum, load_first(x.data + r * x.stride + c, count));
        store_first(sums + c, add(load_first<Scalar>(sums + c, count), sum), count);
      }
    }
  });
}

template <class Scalar>
Status linear_backward(const LinearShape& shape, const LinearGradients<Scalar>& g, int threads) {
  Buffer<Scalar> scratch;
  if (!scratch.reserve(kScratch<Scalar> * threads)) return Status::out_of_memory;
  if (g.dx.data != nullptr)
    multiply(shape.R, shape.I, shape.O, LeftByRows<Scalar>{g.dy.data, g.dy.stride},
             RightByRows<Scalar>{g.weight, shape.I},
             Target<Scalar>{g.dx.data, g.dx.stride, Start::zero, nullptr}, scratch.data(), threads);
  if (g.dweight != nullptr)
    multiply(shape.O, shape.I, shape.R, LeftByColumns<Scalar>{g.dy.data, g.dy.stride},
             RightByRows<Scalar>{g.x.data, g.x.stride},
             Target<Scalar>{g.dweight, shape.I, Start::add, nullptr}, scratch.data(), threads);
  if (g.dbias != nullptr) add_column_sums(shape.R, shape.O, g.dy, g.dbias, threads);
  return Status::ok;
}

template <class Scalar>
Status product(std::int64_t M, std::int64_t N, std::int64_t K, const Factor<Scalar>& a,
               const Factor<Scalar>& b, Scalar* c, int threads) {
  Buffer<Scalar> scratch;
  if (!scratch.reserve(kScratch<Scalar> * threads)) return Status::out_of_memory;
  const auto run = [&](const auto& left, const auto& right) {
    multiply(M, N, K, left, right, Target<Scalar>{c, N, Start::zero, nullptr}, scratch.data(),
             threads);
  };
  const auto with_left = [&](const auto& left) {
    if (b.turned)
      run(left, RightByColumns<Scalar>{b.matrix.data, b.matrix.stride});
    else
      run(left, RightByRows<Scalar>{b.matrix.data, b.matrix.stride});
  };
  if (a.turned)
    with_left(LeftByColumns<Scalar>{a.matrix.data, a.matrix.stride});
  else
    with_left(LeftByRows<Scalar>{a.matrix.data, a.matrix.stride});
  return Status::ok;
}

}  // namespace rnnfast
