// The functions of StepwiseTable: the recurrent product of a step, then row by row what lies
// between it and the new state.
//
// LSTM: a = LN(x W_ih) gain_ih + b_ih + LN(h' W_hh) gain_hh + b_hh over all four gates,
//       k = f c' + i (drop g),  s = tanh(LN(k) gain_c + bias_c),
//       c = keep_c c' + (1 - keep_c) k,  h = keep_h h' + (1 - keep_h) o s.
// GRU:  r and z from LN over both, n = tanh(LN(x W_in) gain + b + r (LN(h' W_hn) gain + b)),
//       h = keep_h h' + (1 - keep_h) ((1 - z) drop n + z h').
// Without normalisation LN is the identity and there are no gains.
#pragma once

#include <cmath>

#include "kernels/abi/stepwise.h"
#include "kernels/core/activations.h"
#include "kernels/core/buffer.h"
#include "kernels/ops/linear.h"

namespace rnnfast {

namespace detail {

constexpr double kNormEpsilon = 1e-5;

template <class Scalar>
Scalar sum_of(const Scalar* x, std::int64_t n) {
  auto sum = zeros<Scalar>();
  for (std::int64_t j = 0; j < n; j += lanes<Scalar>) sum = add(sum, load_first(x + j, n - j));
  return horizontal_sum(sum);
}

template <class Scalar>
Scalar dot_of(const Scalar* x, const Scalar* y, std::int64_t n) {
  auto sum = zeros<Scalar>();
  for (std::int64_t j = 0; j < n; j += lanes<Scalar>)
    sum = madd(load_first(x + j, n - j), load_first(y + j, n - j), sum);
  return horizontal_sum(sum);
}

// Numbers up to this size have squares of which 2^24 can be added.
template <class Scalar>
constexpr Scalar kSquarable = sizeof(Scalar) == 4 ? Scalar(0x1p51) : Scalar(0x1p499);

template <class Scalar>
Scalar largest_of(const Scalar* x, std::int64_t n) {
  auto most = zeros<Scalar>();
  for (std::int64_t j = 0; j < n; j += lanes<Scalar>)
    most = keep_nan_max(absolute(load_first(x + j, n - j)), most);
  return horizontal_max(most);
}

// x = (x - mean) / deviation; returns 1 / deviation.
template <class Scalar>
Scalar normalise(Scalar* x, std::int64_t n) {
  // Large numbers are made smaller by a power of two, so that neither sum nor squares overflow.
  Scalar down = 1;
  const Scalar largest = largest_of(x, n);
  if (largest > kSquarable<Scalar> && std::isfinite(largest)) {
    down = std::ldexp(Scalar(1), std::ilogb(kSquarable<Scalar>) - std::ilogb(largest));
    for (std::int64_t j = 0; j < n; ++j) x[j] *= down;
  }
  const Scalar mean = sum_of(x, n) / static_cast<Scalar>(n);
  for (std::int64_t j = 0; j < n; ++j) x[j] -= mean;
  const Scalar variance = dot_of(x, x, n) / static_cast<Scalar>(n);
  const Scalar epsilon = static_cast<Scalar>(kNormEpsilon) * down * down;
  if (variance + epsilon == 0) return 1 / std::sqrt(static_cast<Scalar>(kNormEpsilon));  // all 0
  const Scalar scale = 1 / std::sqrt(variance + epsilon);
  for (std::int64_t j = 0; j < n; ++j) x[j] *= scale;
  return scale * down;
}

// Undoes normalise: d is the gradient of its result y and becomes that of x.
template <class Scalar>
void d_normalise(const Scalar* y, Scalar scale, Scalar* d, std::int64_t n) {
  const Scalar mean = sum_of(d, n) / static_cast<Scalar>(n);
  const Scalar along = dot_of(d, y, n) / static_cast<Scalar>(n);
  for (std::int64_t j = 0; j < n; ++j) d[j] = scale * (d[j] - mean - y[j] * along);
}

// One row (t, b) of a pass: pointers to its parts.
template <class Scalar>
struct StepwiseRow {
  using Vector = Vec<Scalar>;
  std::int64_t H, GH;
  Scalar *x, *u, *x_scale, *u_scale, *gates;
  Scalar *cell, *squashed, *c_scale;
  const Scalar *h_before, *c_before, *keep_h, *keep_c, *drop;
  Scalar *h, *c;
  Scalar rate_h, rate_c;

  StepwiseRow(const StepwiseShape& shape, const StepwisePass<Scalar>& p, std::int64_t t,
              std::int64_t b)
      : H(shape.H), GH(shape.gates()), rate_h(p.rate_h), rate_c(p.rate_c) {
    const std::int64_t row = t * shape.B + b;
    const auto at = [row](auto* data, std::int64_t width) {
      return data == nullptr ? nullptr : data + row * width;
    };
    x = at(p.x, GH);
    u = at(p.u, GH);
    x_scale = at(p.x_scale, 2);
    u_scale = at(p.u_scale, 2);
    gates = at(p.gates, GH);
    cell = at(p.cell, H);
    squashed = at(p.squashed, H);
    c_scale = at(p.c_scale, 1);
    keep_h = at(p.keep_h, H);
    keep_c = at(p.keep_c, H);
    drop = at(p.drop, H);
    h_before = at(p.h, H);
    c_before = at(p.c, H);
    h = p.h + (row + shape.B) * H;
    c = p.c == nullptr ? nullptr : p.c + (row + shape.B) * H;
  }

  Vector get(const Scalar* from, std::int64_t j) const { return load_first(from + j, H - j); }
  void put(Scalar* to, std::int64_t j, const Vector& value) const {
    store_first(to + j, value, H - j);
  }
  Vector get_or(const Scalar* from, std::int64_t j, Scalar otherwise) const {
    return from == nullptr ? broadcast(otherwise) : get(from, j);
  }
  // gain * value + bias of gate k.
  Vector affine(const Scalar* value, const Scalar* gain, const Scalar* bias, std::int64_t k,
                std::int64_t j) const {
    const std::int64_t at = k * H;
    const auto scaled =
        gain == nullptr ? get(value + at, j) : mul(get(gain + at, j), get(value + at, j));
    return bias == nullptr ? scaled : add(scaled, get(bias + at, j));
  }
  // keep * before + (1 - keep) * now, which is exact for 0 and 1.
  static Vector mix(const Vector& keep, const Vector& before, const Vector& now) {
    const auto one = broadcast(Scalar(1));
    return madd(keep, before, mul(sub(one, keep), now));
  }
};

// Which gates are normalised together: of an LSTM all, of a GRU r and z, and n by itself.
struct NormParts {
  int count;
  std::int64_t begin[3];
  explicit NormParts(const StepwiseShape& shape)
      : count(shape.lstm ? 1 : 2), begin{0, shape.lstm ? 4 * shape.H : 2 * shape.H, 3 * shape.H} {}
};

template <class Scalar>
void lstm_row(const StepwiseRow<Scalar>& r, const StepwiseParameters<const Scalar*>& p,
              bool normalised) {
  const std::int64_t H = r.H;
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    Vec<Scalar> gate[4];
    for (int k = 0; k < 4; ++k) {
      const auto sum =
          add(r.affine(r.x, p.gain_ih, p.b_ih, k, j), r.affine(r.u, p.gain_hh, p.b_hh, k, j));
      gate[k] = k == 2 ? tanh<Scalar>(sum) : sigmoid<Scalar>(sum);
      r.put(r.gates + k * H, j, gate[k]);
    }
    const auto before = r.get(r.c_before, j);
    const auto candidate = mul(gate[2], r.get_or(r.drop, j, 1));
    const auto cell = madd(gate[0], candidate, mul(gate[1], before));
    r.put(r.cell, j, cell);
    r.put(r.c, j, r.mix(r.get_or(r.keep_c, j, r.rate_c), before, cell));
  }
  if (normalised) *r.c_scale = normalise(r.cell, H);
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    const auto s = tanh<Scalar>(r.affine(r.cell, p.gain_c, p.bias_c, 0, j));
    r.put(r.squashed, j, s);
    const auto now = mul(r.get(r.gates + 3 * H, j), s);
    r.put(r.h, j, r.mix(r.get_or(r.keep_h, j, r.rate_h), r.get(r.h_before, j), now));
  }
}

template <class Scalar>
void gru_row(const StepwiseRow<Scalar>& r, const StepwiseParameters<const Scalar*>& p) {
  const std::int64_t H = r.H;
  const auto one = broadcast(Scalar(1));
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    Vec<Scalar> a[3], b[3];
    for (int k = 0; k < 3; ++k) {
      a[k] = r.affine(r.x, p.gain_ih, p.b_ih, k, j);
      b[k] = r.affine(r.u, p.gain_hh, p.b_hh, k, j);
    }
    const auto reset = sigmoid<Scalar>(add(a[0], b[0])), z = sigmoid<Scalar>(add(a[1], b[1]));
    const auto n = tanh<Scalar>(madd(reset, b[2], a[2]));
    r.put(r.gates, j, reset);
    r.put(r.gates + H, j, z);
    r.put(r.gates + 2 * H, j, n);
    const auto before = r.get(r.h_before, j);
    const auto now = madd(sub(one, z), mul(n, r.get_or(r.drop, j, 1)), mul(z, before));
    r.put(r.h, j, r.mix(r.get_or(r.keep_h, j, r.rate_h), before, now));
  }
}

// Gradients of one row up to those of the sums: da of what comes from x, db from h<t-1>. dh and dc
// become those of the states before, without what goes through the product.
template <class Scalar>
void lstm_row_backward(const StepwiseRow<Scalar>& r, const StepwiseParameters<const Scalar*>& p,
                       const StepwiseParameters<Scalar*>& dp, bool normalised, Scalar* dh,
                       Scalar* dc, Scalar* da, Scalar* db, Scalar* dcell) {
  const std::int64_t H = r.H;
  const auto one = broadcast(Scalar(1));
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    // h = keep h' + (1 - keep) o s
    const auto keep = r.get_or(r.keep_h, j, r.rate_h), all = r.get(dh, j);
    const auto d = mul(sub(one, keep), all);
    const auto o = r.get(r.gates + 3 * H, j), s = r.get(r.squashed, j);
    r.put(dh, j, mul(keep, all));
    r.put(da + 3 * H, j, mul(mul(d, s), d_sigmoid(o)));
    const auto ds = mul(mul(d, o), d_tanh(s));
    if (!normalised) {
      r.put(dcell, j, ds);
      continue;
    }
    r.put(dp.gain_c, j, madd(ds, r.get(r.cell, j), r.get(dp.gain_c, j)));
    r.put(dp.bias_c, j, add(ds, r.get(dp.bias_c, j)));
    r.put(dcell, j, mul(ds, r.get(p.gain_c, j)));
  }
  if (normalised) d_normalise(r.cell, *r.c_scale, dcell, H);
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    // c = keep c' + (1 - keep) k,  k = f c' + i drop g
    const auto keep = r.get_or(r.keep_c, j, r.rate_c), all = r.get(dc, j);
    const auto d = madd(sub(one, keep), all, r.get(dcell, j));
    const auto i = r.get(r.gates, j), f = r.get(r.gates + H, j), g = r.get(r.gates + 2 * H, j);
    const auto drop = r.get_or(r.drop, j, 1);
    r.put(dc, j, madd(keep, all, mul(d, f)));
    r.put(da, j, mul(mul(d, mul(g, drop)), d_sigmoid(i)));
    r.put(da + H, j, mul(mul(d, r.get(r.c_before, j)), d_sigmoid(f)));
    r.put(da + 2 * H, j, mul(mul(d, mul(i, drop)), d_tanh(g)));
  }
  std::memcpy(db, da, static_cast<std::size_t>(4 * H) * sizeof(Scalar));
}

template <class Scalar>
void gru_row_backward(const StepwiseRow<Scalar>& r, const StepwiseParameters<const Scalar*>& p,
                      Scalar* dh, Scalar* da, Scalar* db) {
  const std::int64_t H = r.H;
  const auto one = broadcast(Scalar(1));
  for (std::int64_t j = 0; j < H; j += lanes<Scalar>) {
    // h = keep h' + (1 - keep) ((1 - z) drop n + z h')
    const auto keep = r.get_or(r.keep_h, j, r.rate_h), all = r.get(dh, j);
    const auto d = mul(sub(one, keep), all);
    const auto reset = r.get(r.gates, j), z = r.get(r.gates + H, j), n = r.get(r.gates + 2 * H, j);
    const auto drop = r.get_or(r.drop, j, 1);
    r.put(dh, j, madd(keep, all, mul(d, z)));
    const auto dz = mul(mul(d, sub(r.get(r.h_before, j), mul(n, drop))), d_sigmoid(z));
    const auto dn = mul(mul(mul(d, sub(one, z)), drop), d_tanh(n));
    const auto from_h = r.affine(r.u, p.gain_hh, p.b_hh, 2, j);  // n = tanh(a_n + r from_h)
    const auto dr = mul(mul(dn, from_h), d_sigmoid(reset));
    r.put(da, j, dr);
    r.put(db, j, dr);
    r.put(da + H, j, dz);
    r.put(db + H, j, dz);
    r.put(da + 2 * H, j, dn);
    r.put(db + 2 * H, j, mul(dn, reset));
  }
}

// d of y gain + bias becomes that of x, y = LN(x); adds those of gain and bias.
template <class Scalar>
void affine_backward(const NormParts& parts, const Scalar* y, const Scalar* scale,
                     const Scalar* gain, Scalar* d, Scalar* d_gain, Scalar* d_bias) {
  const std::int64_t n = parts.begin[parts.count];
  if (d_bias != nullptr)
    for (std::int64_t j = 0; j < n; ++j) d_bias[j] += d[j];
  if (gain == nullptr) return;
  for (std::int64_t j = 0; j < n; ++j) {
    d_gain[j] += d[j] * y[j];
    d[j] *= gain[j];
  }
  for (int k = 0; k < parts.count; ++k)
    d_normalise(y + parts.begin[k], scale[k], d + parts.begin[k],
                parts.begin[k + 1] - parts.begin[k]);
}

}  // namespace detail

template <class Scalar>
Status stepwise_forward(const StepwiseShape& shape, const StepwiseParameters<const Scalar*>& p,
                        const StepwisePass<Scalar>& pass, int threads) {
  const FlushSubnormals flush;
  const std::int64_t B = shape.B, H = shape.H, GH = shape.gates();
  const detail::NormParts parts(shape);
  Buffer<Scalar> packed;
  if (!packed.reserve(linear_packed_size<Scalar>(H, GH))) return Status::out_of_memory;
  linear_pack(H, GH, p.w_hh, packed.data(), threads);
  const auto row_bytes = static_cast<std::size_t>(H) * sizeof(Scalar);
  for (std::int64_t t = 0; t < shape.T; ++t) {
    const std::int64_t rows = pass.active[t];
    if (rows > 0)
      multiply(rows, GH, H, LeftByRows<Scalar>{pass.h + t * B * H, H},
               RightPacked<Scalar>{packed.data(), H},
               Target<Scalar>{pass.u + t * B * GH, GH, Start::zero, nullptr},
               static_cast<Scalar*>(nullptr), threads);
    for (std::int64_t b = 0; b < B; ++b) {
      const detail::StepwiseRow<Scalar> row(shape, pass, t, b);
      if (b >= rows) {
        std::memcpy(row.h, row.h_before, row_bytes);
        if (shape.lstm) std::memcpy(row.c, row.c_before, row_bytes);
        continue;
      }
      if (shape.normalised)
        for (int k = 0; k < parts.count; ++k) {
          const std::int64_t begin = parts.begin[k], count = parts.begin[k + 1] - begin;
          row.x_scale[k] = detail::normalise(row.x + begin, count);
          row.u_scale[k] = detail::normalise(row.u + begin, count);
        }
      if (shape.lstm)
        detail::lstm_row(row, p, shape.normalised);
      else
        detail::gru_row(row, p);
    }
  }
  return Status::ok;
}

template <class Scalar>
Status stepwise_backward(const StepwiseShape& shape, const StepwiseParameters<const Scalar*>& p,
                         const StepwisePass<Scalar>& pass, const StepwiseGradients<Scalar>& g,
                         int threads) {
  const FlushSubnormals flush;
  const std::int64_t B = shape.B, H = shape.H, GH = shape.gates();
  const detail::NormParts parts(shape);
  Buffer<Scalar> scratch, dcell;
  if (!scratch.reserve(kScratch<Scalar> * threads) || !dcell.reserve(H))
    return Status::out_of_memory;
  for (std::int64_t t = shape.T - 1; t >= 0; --t) {
    const std::int64_t rows = pass.active[t];
    for (std::int64_t b = 0; b < rows; ++b) {
      const detail::StepwiseRow<Scalar> row(shape, pass, t, b);
      Scalar* const dh = g.dh + b * H;
      Scalar* const da = g.dx + (t * B + b) * GH;
      Scalar* const db = g.du + (t * B + b) * GH;
      const Scalar* const dy = g.dy + (t * B + b) * H;
      for (std::int64_t j = 0; j < H; ++j) dh[j] += dy[j];
      if (shape.lstm)
        detail::lstm_row_backward(row, p, g.parameters, shape.normalised, dh, g.dc + b * H, da, db,
                                  dcell.data());
      else
        detail::gru_row_backward(row, p, dh, da, db);
      detail::affine_backward(parts, row.x, row.x_scale, p.gain_ih, da, g.parameters.gain_ih,
                              g.parameters.b_ih);
      detail::affine_backward(parts, row.u, row.u_scale, p.gain_hh, db, g.parameters.gain_hh,
                              g.parameters.b_hh);
    }
    if (rows > 0)
      multiply(rows, H, GH, LeftByRows<Scalar>{g.du + t * B * GH, GH},
               RightByRows<Scalar>{p.w_hh, H}, Target<Scalar>{g.dh, H, Start::add, nullptr},
               scratch.data(), threads);
  }
  return Status::ok;
}

}  // namespace rnnfast
