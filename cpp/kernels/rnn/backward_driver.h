// The driver of backpropagation through one layer's direction, compiled once for all cells: what a
// cell has of its own is behind virtual functions, one call a tile or more.
#pragma once

#include "kernels/rnn/gradients.h"
#include "kernels/rnn/products.h"

namespace rnnfast {

template <class Scalar>
class BackwardDriver {
 public:
  void run();

 protected:
  static constexpr int V = lanes<Scalar>;

  BackwardDriver(const CellDescriptor& cell, const LayerPass<Scalar>& pass,
                 const LayerGradients<Scalar>& gradients, const Worker& worker)
      : p_(pass),
        g_(gradients),
        w_(*pass.weights),
        worker_(worker),
        blocks_(worker.my_blocks(w_.units)),
        outputs_(worker.my_blocks(w_.outputs)),
        cell_(cell) {}
  ~BackwardDriver() = default;

  // Steps without a recurrent product.
  virtual void pointwise(Range steps) = 0;
  // Tiles of a step s: of dh<t>, of the projection's gradient, of the second product.
  virtual void output_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                           bool ends, const Prefetch& prefetch) = 0;
  virtual void projection_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                               const Prefetch& prefetch) = 0;
  virtual void second_tile(std::int64_t s, std::int64_t block, std::int64_t b, TileSize size,
                           const Prefetch& prefetch) = 0;
  // The norms of rows [0, n) that are this worker's.
  virtual void norms(std::int64_t s, std::int64_t n) = 0;

  Scalar* dcarry_at(std::int64_t block, std::int64_t b) const {
    return g_.dcarry + (block * p_.schedule->B + b) * V;
  }
  Scalar* dkept_at(std::int64_t block, std::int64_t b) const {
    return g_.dkept + (block * p_.schedule->B + b) * V;
  }

  const LayerPass<Scalar>& p_;
  const LayerGradients<Scalar>& g_;
  const PackedLayer<Scalar>& w_;
  const Worker& worker_;
  const Range blocks_, outputs_;

 private:
  void begin_carry();
  void parts(Range steps);
  void run_steps(Range steps);
  void step(std::int64_t s);
  void initial_state();
  void initial_tile(std::int64_t block, std::int64_t b, TileSize size, const Prefetch& prefetch);

  const CellDescriptor& cell_;
};

extern template class BackwardDriver<float>;
extern template class BackwardDriver<double>;

}  // namespace rnnfast
