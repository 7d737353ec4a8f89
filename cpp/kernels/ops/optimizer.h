// Optimizers: one pass over the parameters, their gradients and what the optimizer remembers,
// which also makes the packed copies of weights anew.
// The equations are those of torch.optim's documentation.
#pragma once

#include <cmath>

#include "kernels/abi/optimizer.h"
#include "kernels/gemm/packed_stack.h"
#include "kernels/ops/losses.h"

namespace rnnfast {

namespace detail {

// Reads and writes a vector at a place of the pass, or the part of one at its end. Gradients of
// rows lie closer together than the rows.
template <class Scalar>
struct Place {
  std::int64_t at, count, gradient_at;
  RNNFAST_INLINE Vec<Scalar> operator()(const Scalar* from) const {
    return load_first(from + at, count);
  }
  RNNFAST_INLINE Vec<Scalar> gradient(const Scalar* from) const {
    return load_first(from + gradient_at, count);
  }
  RNNFAST_INLINE void set(Scalar* to, const Vec<Scalar>& value) const {
    store_first(to + at, value, count);
  }
};

// What is done with a stretch of values; `before` are those up to it that are not touched.
using StretchFunction = void (*)(const void* each, Range stretch, std::int64_t before);

// Visits a thread's share of the values `p` that are touched. Where they have packed copies, those
// follow each stretch while it is in cache. Compiled once for all optimizers.
template <class Scalar>
void for_stretches(const Touched<Scalar>& touched, const Scalar* p, int rank, int size,
                   StretchFunction call, const void* each) {
  const auto f = [=](Range stretch, std::int64_t before) { call(each, stretch, before); };
  if (touched.rows != nullptr) {
    const std::int64_t width = touched.width;
    const Range mine = share(touched.n / width, rank, size);
    for (std::int64_t k = mine.begin; k < mine.end; ++k) {
      const std::int64_t begin = touched.rows[k] * width;
      f(Range{begin, begin + width}, begin - k * width);
    }
    return;
  }
  if (touched.copies == nullptr) return f(share(touched.n, 64, rank, size), 0);
  for (std::int64_t k = 0; k < touched.copy_count; ++k)
    reinterpret_cast<PackedStack<Scalar>*>(touched.copies[k].packed)
        ->repack(touched.copies[k].parameters, rank, size,
                 [&](const Scalar* first, std::int64_t count) {
                   f(Range{first - p, first - p + count}, 0);
                 });
  for (std::int64_t k = 0; k < touched.other_count; ++k) {
    const std::int64_t begin = touched.others[2 * k], end = touched.others[2 * k + 1];
    const Range mine = share(end - begin, 64, rank, size);
    f(Range{begin + mine.begin, begin + mine.end}, 0);
  }
}

// Calls f(place) for every vector of what is touched of `p`; elements must not depend on each
// other.
template <class Scalar, class F>
void for_each_vector(const Touched<Scalar>& touched, const Scalar* p, int threads, const F& f) {
  const StretchFunction call = [](const void* each, Range stretch, std::int64_t before) {
    const F visit = *static_cast<const F*>(each);  // in registers: what is stored is none of it
    for (std::int64_t i = stretch.begin; i < stretch.end; i += lanes<Scalar>)
      visit(Place<Scalar>{i, stretch.end - i, i - before});
  };
  parallel(useful_threads(threads, touched.n, 1 << 14),
           [&](int rank, int size) { for_stretches(touched, p, rank, size, call, &f); });
}

template <class Scalar>
Vec<Scalar> constant(double value) {
  return broadcast(static_cast<Scalar>(value));
}

// Cuts gradients to a size whose squares can be added up a million times. What divides by the root
// of those squares gives the same step for larger ones. NaN and infinity become NaN.
template <class Scalar>
struct Squarable {
  const Vec<Scalar> high = constant<Scalar>(sizeof(Scalar) == 4 ? 0x1p53 : 0x1p501);
  const Vec<Scalar> low = constant<Scalar>(sizeof(Scalar) == 4 ? -0x1p53 : -0x1p501);
  RNNFAST_INLINE Vec<Scalar> operator()(const Vec<Scalar>& g) const {
    const auto cut = keep_nan_min(keep_nan_max(g, low), high);
    return add(cut, sub(g, g));
  }
};

}  // namespace detail

// g += weight_decay p; b = momentum b + (1 - dampening) g (b = g at first);
// g = g + momentum b (Nesterov) or b; p -= lr g
template <class Scalar>
void sgd(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* momentum,
         const SgdStep& step, int threads) {
  const auto lr = detail::constant<Scalar>(-step.lr);
  const auto decay = detail::constant<Scalar>(step.weight_decay);
  const auto mu = detail::constant<Scalar>(step.momentum);
  const auto fresh = detail::constant<Scalar>(1 - step.dampening);
  detail::for_each_vector<Scalar>(touched, p, threads, [=](const detail::Place<Scalar>& at) {
    const auto value = at(p);
    auto gradient = madd(decay, value, at.gradient(g));
    if (momentum != nullptr) {
      const auto b = step.first ? gradient : madd(mu, at(momentum), mul(fresh, gradient));
      at.set(momentum, b);
      gradient = step.nesterov ? madd(mu, b, gradient) : b;
    }
    at.set(p, madd(lr, gradient, value));
  });
}

// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
// p -= lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// with g += weight_decay p before (Adam) or p *= 1 - lr weight_decay (AdamW)
template <class Scalar>
void adam(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* mean, Scalar* square,
          const AdamStep& step, int threads) {
  const double t = static_cast<double>(step.step);
  const double correction1 = 1 - std::pow(step.beta1, t), correction2 = 1 - std::pow(step.beta2, t);
  const auto rate = detail::constant<Scalar>(-step.lr / correction1);
  const auto root = detail::constant<Scalar>(1 / std::sqrt(correction2));
  const auto eps = detail::constant<Scalar>(step.eps);
  const auto decay = detail::constant<Scalar>(step.decoupled ? 0 : step.weight_decay);
  const auto shrink =
      detail::constant<Scalar>(step.decoupled ? 1 - step.lr * step.weight_decay : 1);
  const auto rest1 = detail::constant<Scalar>(1 - step.beta1);
  const auto beta2 = detail::constant<Scalar>(step.beta2);
  const auto rest2 = detail::constant<Scalar>(1 - step.beta2);
  const detail::Squarable<Scalar> squarable;
  detail::for_each_vector<Scalar>(touched, p, threads, [=](const detail::Place<Scalar>& at) {
    const auto value = mul(at(p), shrink);
    const auto gradient = squarable(madd(decay, value, at.gradient(g)));
    const auto old = at(mean);
    const auto m = madd(rest1, sub(gradient, old), old);
    const auto v = madd(beta2, at(square), mul(rest2, mul(gradient, gradient)));
    at.set(mean, m);
    at.set(square, v);
    const auto denominator = madd(square_root(v), root, eps);
    at.set(p, madd(rate, divide(m, denominator), value));
  });
}

// v = alpha v + (1 - alpha) g^2; centred: m = alpha m + (1 - alpha) g, v' = v - m^2;
// b = momentum b + g / (sqrt(v') + eps); p -= lr b
template <class Scalar>
void rmsprop(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* square,
             Scalar* mean, Scalar* momentum, const RmspropStep& step, int threads) {
  const auto lr = detail::constant<Scalar>(-step.lr);
  const auto alpha = detail::constant<Scalar>(step.alpha);
  const auto rest = detail::constant<Scalar>(1 - step.alpha);
  const auto eps = detail::constant<Scalar>(step.eps);
  const auto decay = detail::constant<Scalar>(step.weight_decay);
  const auto mu = detail::constant<Scalar>(step.momentum);
  const detail::Squarable<Scalar> squarable;
  detail::for_each_vector<Scalar>(touched, p, threads, [=](const detail::Place<Scalar>& at) {
    const auto value = at(p);
    const auto gradient = squarable(madd(decay, value, at.gradient(g)));
    auto v = madd(alpha, at(square), mul(rest, mul(gradient, gradient)));
    at.set(square, v);
    if (mean != nullptr) {
      const auto old = at(mean);
      const auto m = madd(rest, sub(gradient, old), old);
      at.set(mean, m);
      v = keep_nan_max(sub(v, mul(m, m)), zeros<Scalar>());  // rounding may leave less than 0
    }
    auto direction = divide(gradient, add(square_root(v), eps));
    if (momentum != nullptr) {
      direction = madd(mu, at(momentum), direction);
      at.set(momentum, direction);
    }
    at.set(p, madd(lr, direction, value));
  });
}

// s += g^2; p -= lr g / (sqrt(s) + eps)
template <class Scalar>
void adagrad(const Touched<Scalar>& touched, Scalar* p, const Scalar* g, Scalar* sum,
             const AdagradStep& step, int threads) {
  const auto lr = detail::constant<Scalar>(-step.lr);
  const auto eps = detail::constant<Scalar>(step.eps);
  const auto decay = detail::constant<Scalar>(step.weight_decay);
  const detail::Squarable<Scalar> squarable;
  detail::for_each_vector<Scalar>(touched, p, threads, [=](const detail::Place<Scalar>& at) {
    const auto value = at(p);
    const auto gradient = squarable(madd(decay, value, at.gradient(g)));
    const auto s = madd(gradient, gradient, at(sum));
    at.set(sum, s);
    at.set(p, madd(lr, divide(gradient, add(square_root(s), eps)), value));
  });
}

template <class Scalar>
Status squared_norm(std::int64_t n, const Scalar* x, double* sum, int threads) {
  constexpr std::int64_t width = 32;
  return sum_blocks(n, sum, threads, [=](std::int64_t begin, std::int64_t end) {
    double sums[width] = {}, total = 0;
    std::int64_t i = begin;
    for (; i + width <= end; i += width)
#pragma omp simd
      for (std::int64_t j = 0; j < width; ++j)
        sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
    for (; i < end; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (std::int64_t j = 0; j < width; ++j) total += sums[j];
    return total;
  });
}

template <class Scalar>
void set_to_zero(std::int64_t n, Scalar* x, int threads) {
  parallel(useful_threads(threads, n, 1 << 19), [&](int rank, int size) {
    const Range mine = share(n, 64, rank, size);
    std::memset(x + mine.begin, 0,
                static_cast<std::size_t>(mine.end - mine.begin) * sizeof(Scalar));
  });
}

template <class Scalar>
void scale(std::int64_t n, Scalar* x, double factor, int threads) {
  const auto f = detail::constant<Scalar>(factor);
  detail::for_each_vector<Scalar>(
      {n}, x, threads, [=](const detail::Place<Scalar>& at) { at.set(x, mul(at(x), f)); });
}

// NaN stays NaN.
template <class Scalar>
void clip(std::int64_t n, Scalar* x, double bound, int threads) {
  const auto low = detail::constant<Scalar>(-bound), high = detail::constant<Scalar>(bound);
  detail::for_each_vector<Scalar>({n}, x, threads, [=](const detail::Place<Scalar>& at) {
    at.set(x, keep_nan_min(keep_nan_max(at(x), low), high));
  });
}

}  // namespace rnnfast
