// Sampling: draw a token from logits, feed it back, step, and so on.
#pragma once

#include <numeric>

#include "kernels/core/random.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/embedding.h"

namespace rnnfast {

// Draws tokens from rows of V logits.
template <class Scalar>
class Drawer {
 public:
  bool reserve(std::int64_t V) {
    V_ = V;
    return weight_.reserve(V + lanes<Scalar>) && order_.reserve(V);
  }

  // A token that is not forbidden, by `unit` in [0, 1); -1 if a logit is NaN or infinite.
  std::int64_t draw(const Scalar* logits, const DrawOptions& options, double unit) {
    std::int64_t best = -1;
    double spread = 0;  // NaN if a logit is NaN or infinite
    for (std::int64_t v = 0; v < V_; ++v) {
      if (options.forbidden != nullptr && options.forbidden[v] != 0) continue;
      spread += static_cast<double>(logits[v]) * 0;
      if (best < 0 || logits[v] > logits[best]) best = v;
    }
    if (spread != 0 || best < 0) return -1;
    if (options.temperature == 0) return best;
    weigh(logits, logits[best], options);
    std::int64_t count = V_;
    if (options.top_k > 0 || options.top_p < 1) count = keep_likely(options);
    const bool ordered = count < V_ || options.top_p < 1;
    const auto token = [&](std::int64_t i) { return ordered ? order_[i] : i; };
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) total += static_cast<double>(weight_[token(i)]);
    double left = unit * total;
    std::int64_t last = best;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto weight = static_cast<double>(weight_[token(i)]);
      if (weight == 0) continue;
      last = token(i);
      left -= weight;
      if (left < 0) break;
    }
    return last;
  }

 private:
  // weight_ = exp((logit - max) / temperature), 0 for what is forbidden.
  void weigh(const Scalar* logits, Scalar max, const DrawOptions& options) {
    const auto m = broadcast(max);
    constexpr double most = std::numeric_limits<Scalar>::max();
    const auto cool = broadcast(static_cast<Scalar>(std::min(1 / options.temperature, most)));
    for (std::int64_t v = 0; v < V_; v += lanes<Scalar>) {
      const auto x = mul(sub(load_first(logits + v, V_ - v), m), cool);
      store(weight_.data() + v, exp_nonpositive<Scalar>(x));
    }
    if (options.forbidden != nullptr)
      for (std::int64_t v = 0; v < V_; ++v)
        if (options.forbidden[v] != 0) weight_[v] = 0;
  }

  // Puts the tokens that top_k and top_p leave at the head of order_; returns how many.
  std::int64_t keep_likely(const DrawOptions& options) {
    const auto likelier = [this](std::int64_t a, std::int64_t b) {
      return weight_[a] != weight_[b] ? weight_[a] > weight_[b] : a < b;
    };
    std::int64_t* const order = order_.data();
    std::iota(order, order + V_, std::int64_t(0));
    std::int64_t count = V_;
    if (options.top_k > 0 && options.top_k < V_) {
      count = options.top_k;
      std::nth_element(order, order + count - 1, order + V_, likelier);
    }
    std::sort(order, order + count, likelier);
    if (options.top_p >= 1) return count;
    double total = 0, carried = 0;
    for (std::int64_t i = 0; i < count; ++i) total += static_cast<double>(weight_[order[i]]);
    std::int64_t kept = 0;
    while (kept < count && carried < options.top_p * total)
      carried += static_cast<double>(weight_[order[kept++]]);
    return std::max<std::int64_t>(kept, 1);
  }

  std::int64_t V_ = 0;
  Buffer<Scalar> weight_;
  Buffer<std::int64_t> order_;
};

// The random number of a row's draw at a position.
inline double draw_unit(std::uint64_t seed, std::int64_t row, std::int64_t position) {
  return random_unit(random_bits(seed, static_cast<std::uint64_t>(row)),
                     static_cast<std::uint64_t>(position));
}

template <class Scalar>
Status draw(std::int64_t R, std::int64_t V, Matrix<const Scalar> logits, const DrawOptions& options,
            std::int64_t first_row, std::int64_t position, std::int64_t* tokens) {
  Drawer<Scalar> drawer;
  if (!drawer.reserve(V)) return Status::out_of_memory;
  const FlushSubnormals flush;
  for (std::int64_t r = 0; r < R; ++r)
    tokens[r] = drawer.draw(logits.data + r * logits.stride, options,
                            draw_unit(options.seed, first_row + r, position));
  return Status::ok;
}

// One step of the stack on B tokens, all -1 for a vector of zeros: x (B, I) is scratch, h (B, H)
// the output.
template <class Scalar>
void decoder_step(const Decoder<Scalar>& d, const std::int64_t* tokens, Scalar* x, Scalar* h,
                  int threads) {
  if (tokens[0] < 0)
    std::fill(x, x + d.B * d.I, Scalar(0));
  else if (d.embedding != nullptr)
    embedding_gather(d.B, d.I, d.embedding, tokens, x, 1);
  else if (d.widen != nullptr)
    d.widen(d.kept, d.B, tokens, x);
  const bool indices = tokens[0] >= 0 && d.embedding == nullptr && d.widen == nullptr;
  d.step(d.stream, d.packed, x, indices ? tokens : nullptr, h, threads);
}

template <class Scalar>
Status feed(const Decoder<Scalar>& d, const std::int64_t* tokens, std::int64_t count, int threads) {
  Buffer<Scalar> x, h;
  Buffer<std::int64_t> same;
  if (!x.reserve(product_of(d.B, d.I)) || !h.reserve(product_of(d.B, d.H)) || !same.reserve(d.B))
    return Status::out_of_memory;
  const FlushSubnormals flush;
  for (std::int64_t i = 0; i < count; ++i) {
    std::fill(same.data(), same.data() + d.B, tokens[i]);
    decoder_step(d, same.data(), x.data(), h.data(), threads);
  }
  return Status::ok;
}

template <class Scalar>
Status decode(const Decoder<Scalar>& d, const DrawOptions& options, Drawing& drawing,
              std::int64_t count, int threads) {
  Drawer<Scalar> drawer;
  Buffer<Scalar> x, h, logits;
  if (!drawer.reserve(d.V) || !x.reserve(product_of(d.B, d.I)) ||
      !h.reserve(product_of(d.B, d.H)) || !logits.reserve(product_of(d.B, d.V)))
    return Status::out_of_memory;
  const FlushSubnormals flush;
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::all_of(drawing.done, drawing.done + d.B, [](auto done) { return done != 0; })) break;
    decoder_step(d, drawing.last, x.data(), h.data(), threads);
    const Status status = d.forward({d.B, d.H, d.V}, {h.data(), d.H}, d.weight, d.bias,
                                    {logits.data(), d.V}, threads);
    if (status != Status::ok) return status;
    for (std::int64_t b = 0; b < d.B; ++b) {
      if (drawing.done[b] != 0) continue;
      const std::int64_t position = drawing.lengths[b];
      const std::int64_t token =
          drawer.draw(logits.data() + b * d.V, options, draw_unit(options.seed, b, position));
      if (token < 0) return Status::not_finite;
      drawing.tokens[b * drawing.capacity + position] = token;
      drawing.last[b] = token;
      drawing.lengths[b] = position + 1;
      drawing.done[b] = position + 1 == drawing.capacity ||
                        (drawing.stops != nullptr && drawing.stops[token] != 0);
    }
  }
  return Status::ok;
}

}  // namespace rnnfast
