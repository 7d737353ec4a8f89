// The way back through sLSTM, from the last step on.
//
// The stabilisers count as constants: c / n does not depend on how both are divided by exp(m). Of a
// final state's gradient, what is left for its m goes to the i~ or the m0 whence that m came.
#pragma once

#include "kernels/gemm/multiply.h"
#include "kernels/xlstm/slstm.h"

namespace rnnfast {

namespace detail {

// A vector of units of one step, undone.
template <class Scalar>
struct SlstmUnitsBack {
  using V = Vec<Scalar>;
  V dgates[kSlstmGates], dc, dn, dm;

  // i, f, z, o, slope, c, n: as kept.
  RNNFAST_INLINE void step(const V& dh, const V (&kept)[kSlstmKept], const V& c_before,
                           const V& n_before) {
    const V &i = kept[0], &f = kept[1], &z = kept[2], &o = kept[3], &n = kept[6];
    const V one = broadcast(Scalar(1));
    // h = o c / n
    const V ratio = divide(kept[5], n), inner = divide(mul(dh, o), n);
    dc = add(dc, inner);
    dn = sub(dn, mul(inner, ratio));
    dgates[3] = mul(mul(dh, ratio), d_sigmoid(o));
    // c = f c' + i z, n = f n' + i
    dgates[2] = mul(mul(dc, i), d_tanh(z));
    const V fresh = equal(i, one);  // m is i~
    dgates[0] = add(mul(i, madd(dc, z, dn)), bits_and(fresh, dm));
    dm = bits_without(dm, fresh);
    dgates[1] = mul(kept[4], add(mul(f, madd(dc, c_before, mul(dn, n_before))), dm));
    dc = mul(dc, f);
    dn = mul(dn, f);
  }
};

// The recurrent weight for products with gradients of gates: [head][block of d][gate, unit].
template <class Scalar>
void slstm_pack_back(const SlstmLayout<Scalar>& layout, const Scalar* weight, Scalar* packed) {
  constexpr int V = lanes<Scalar>;
  const std::int64_t d = layout.d;
  for (std::int64_t head = 0; head < layout.shape.heads; ++head)
    for (std::int64_t k = 0; k < d; k += V)
      for (int g = 0; g < kSlstmGates; ++g)
        for (std::int64_t u = 0; u < d; ++u, packed += V)
          store(packed, load_first(weight + (g * layout.H + head * d + u) * d + k, d - k));
}

}  // namespace detail

template <class Scalar>
Status slstm_backward(const SlstmInput<Scalar>& in, const SlstmGradients<Scalar>& g, int threads) {
  constexpr int V = lanes<Scalar>, G = detail::kSlstmGates, K = detail::kSlstmKept;
  const XlstmShape& shape = in.shape;
  detail::SlstmLayout<Scalar> layout(shape);
  const std::int64_t H = layout.H, d = layout.d, B = shape.B, N = shape.rows();
  Buffer<Scalar> packed, scratch, gates, before, nothing;
  if (!layout.reserve() || !packed.reserve(slstm_packed_size<Scalar>(H, shape.heads)) ||
      !gates.reserve(product_of(2, B, G, H)) || !before.reserve(product_of(N, H)) ||
      !nothing.reserve_zeroed(H) || !scratch.reserve(product_of(kScratch<Scalar>, threads)))
    return Status::out_of_memory;
  detail::slstm_pack_back(layout, g.weight, packed.data());
  const auto& initial = in.initial;
  const auto& to = g.dinitial;
  detail::copy_state(g.dfinal.h, B * H, to.h);
  detail::copy_state(g.dfinal.c, B * H, to.c);
  detail::copy_state(g.dfinal.n, B * H, to.n);
  detail::copy_state(g.dfinal.m, B * H, to.m);
  const auto initial_of = [&](const Scalar* state, std::int64_t b) {
    return state == nullptr ? nothing.data() : state + b * H;
  };
  // c = c_true / exp(m) of the last step, n alike.
  const auto move_to_m = [&](std::int64_t b, const Scalar* c, const Scalar* n, Scalar sign) {
    for (std::int64_t u = 0, at = b * H; u < H; ++u, ++at)
      to.m[at] += sign * (to.c[at] * c[u] + to.n[at] * n[u]);
  };
  for (std::int64_t b = 0; b < B; ++b) {
    if (layout.length(b) == 0) continue;
    const Scalar* const last = g.kept + (shape.begins[b + 1] - 1) * K * H;
    move_to_m(b, last + 5 * H, last + 6 * H, Scalar(-1));
  }
  run_team(layout.plan(threads), [&](Worker& worker) {
    if (worker.split_rows) worker.rows = share(B, worker.member, worker.members);
    std::int64_t count = 0;
    for (std::int64_t t = layout.steps - 1; t >= 0; --t) {
      count = layout.rows_at(t, count);
      const Range rows = worker.my_rows({0, count});
      // In turns, as others may still read those of the step after.
      Scalar* const together = gates.data() + (t % 2) * B * G * H;
      layout.for_blocks(worker, [&](std::int64_t head, Range own) {
        for (std::int64_t r = rows.begin; r < rows.end; ++r) {
          const std::int64_t b = layout.order[r], row = shape.begins[b] + t;
          const Scalar* const kept = g.kept + row * K * H + head * d;
          const Scalar* const c = t > 0 ? kept - 2 * H : initial_of(initial.c, b) + head * d;
          const Scalar* const n = t > 0 ? kept - H : initial_of(initial.n, b) + head * d;
          Scalar* const beside = together + r * G * H + head * G * d;
          for (std::int64_t unit = own.begin * V; unit < std::min(d, own.end * V); unit += V) {
            const std::int64_t left = d - unit, at = head * d + unit, state = b * H + at;
            Vec<Scalar> values[K];
            for (int k = 0; k < K; ++k) values[k] = load_first(kept + k * H + unit, left);
            detail::SlstmUnitsBack<Scalar> units;
            units.dc = load_first<Scalar>(to.c + state, left);
            units.dn = load_first<Scalar>(to.n + state, left);
            units.dm = load_first<Scalar>(to.m + state, left);
            units.step(
                add(load_first(g.dy + row * H + at, left), load_first<Scalar>(to.h + state, left)),
                values, load_first(c + unit, left), load_first(n + unit, left));
            store_first(to.c + state, units.dc, left);
            store_first(to.n + state, units.dn, left);
            store_first(to.m + state, units.dm, left);
            for (int gate = 0; gate < G; ++gate) {
              store_first(g.dgates + (row * G + gate) * H + at, units.dgates[gate], left);
              store_first(beside + gate * d + unit, units.dgates[gate], left);
            }
          }
        }
      });
      if (layout.waits(worker)) worker.step_barrier();
      layout.for_blocks(worker, [&](std::int64_t head, Range own) {
        layout.products(
            1, G * d, packed.data() + head * layout.blocks * V * d * G, own, rows,
            [&](std::int64_t r) {
              return static_cast<const Scalar*>(together + r * G * H + head * G * d);
            },
            [&](std::int64_t r, std::int64_t unit, const Scalar* sums) {
              store_first(to.h + layout.order[r] * H + head * d + unit, load(sums), d - unit);
            });
      });
    }
  });
  for (std::int64_t b = 0; b < B; ++b) {
    if (layout.length(b) == 0) continue;
    move_to_m(b, initial_of(initial.c, b), initial_of(initial.n, b), Scalar(1));
    Scalar* row = before.data() + shape.begins[b] * H;
    std::copy_n(initial_of(initial.h, b), H, row);
    std::copy_n(g.y + shape.begins[b] * H, (layout.length(b) - 1) * H, row + H);
  }
  // The gradient of each gate's rows of each head: sums over all steps.
  for (int gate = 0; gate < G; ++gate)
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      const std::int64_t at = gate * H + head * d;
      multiply(d, d, N, LeftByColumns<Scalar>{g.dgates + at, G * H},
               RightByRows<Scalar>{before.data() + head * d, H},
               Target<Scalar>{g.dweight + at * d, d, Start::zero, nullptr}, scratch.data(),
               threads);
    }
  return Status::ok;
}

}  // namespace rnnfast
