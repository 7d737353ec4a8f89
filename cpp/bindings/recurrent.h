// Recurrent layers as Python sees them: a stack, what a pass keeps, a stream.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/parameters.h"
#include "kernels/abi/small.h"

namespace rnnfast {

// Weights in the kernels' order, as they were at one version of the parameters. Passes that still
// run or wait for backpropagation share it; it is never changed under them.
struct PackedWeights {
  const KernelTable* table = nullptr;
  bool is_double = false;
  StackShape shape;
  Packed* packed = nullptr;
  std::int64_t version = -1;

  PackedWeights() = default;
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;
  ~PackedWeights();
};

// Those of the level of `kernels()`.
const SmallTables& small_kernels();

struct SmallCopy;

// Places of one layer's direction in the flat buffer; -1: absent.
struct LayerOffsets {
  std::int64_t w_ih = -1, w_hh = -1, b_ih = -1, b_hh = -1, w_hr = -1, unit = -1, gain_ih = -1,
               gain_hh = -1, gain_c = -1, bias_c = -1;
};

class Recurrent {
 public:
  static std::shared_ptr<Recurrent> create(const StackShape& shape,
                                           std::shared_ptr<ParameterBuffer> parameters,
                                           std::vector<LayerOffsets> offsets,
                                           const std::string& numbers = "float32");

  const StackShape& shape() const { return shape_; }
  bool is_double() const { return parameters_->is_double(); }
  const KernelTable& table() const { return *table_; }
  const SmallTables& small_tables() const { return *small_; }
  // In which the weights are multiplied: "float32" is as they are.
  const std::string& numbers() const { return numbers_; }

  // The parameters as they are now; packed again only if they changed. Needs the GIL.
  std::shared_ptr<const PackedWeights> weights(bool backward, int threads = 0);
  bool stale(const PackedWeights& weights) const { return weights.version != version(); }
  std::int64_t version() const { return parameters_->version(); }
  // What SmallSteps made last, for all streams. Needs the GIL.
  std::shared_ptr<const SmallCopy>& small_copy() { return small_copy_; }
  // The same after the parameters became what lies at `addresses`, one for each of `places`, whose
  // sizes and dtype are theirs: compared, and copied if a bit differs. Throws where a number is not
  // finite; nothing has changed then. Needs the GIL.
  std::shared_ptr<const PackedWeights> weights_at(const std::vector<std::uintptr_t>& addresses,
                                                  bool backward, int threads);
  // Whether both take and give the same arrays, by the same kernels.
  bool is_like(const Recurrent& other) const;
  // Throws unless `weights` are a network's of this shape, for backpropagation too if that follows.
  void require_fitting(const PackedWeights& weights, bool backward) const;
  // Throws where backpropagation is wanted of a cell that has none.
  void require_training() const;
  // Whether `weights` would find them packed.
  bool is_packed() const { return weights_ != nullptr && !stale(*weights_); }

  // The packed weights for who changes the parameters and packs them anew with that; null if
  // somebody else reads them, or if they were not up to date. Both need the GIL.
  std::shared_ptr<PackedWeights> lend();
  void give_back(std::shared_ptr<PackedWeights> weights);
  // Where the parameters stand in the buffer, one after the other: from and to.
  const std::vector<std::array<std::int64_t, 2>>& places() const { return places_; }
  // The shapes of the same, in their order.
  const std::vector<std::vector<std::int64_t>>& parameter_shapes() const { return shapes_; }

  std::int64_t size() const { return parameters_->size(); }
  // Numbers that are this network's own.
  std::int64_t parameter_count() const { return parameter_count_; }

  // Of an array as large as the buffer; null: the buffer's own.
  template <class Scalar>
  std::vector<LayerParameters<Scalar*>> gradients(Scalar* flat) const;
  // All numbers of the buffer, and where this network's parameters are among them.
  template <class Scalar>
  Values<Scalar> numbers_of_all() const {
    return parameters_->read<Scalar>(0, parameters_->size());
  }
  template <class Scalar>
  std::vector<LayerParameters<const Scalar*>> values(const Values<Scalar>& all) const;
  Mutex& gradient_mutex() { return parameters_->gradient_mutex(); }

 private:
  Recurrent(const StackShape& shape, std::shared_ptr<ParameterBuffer> parameters,
            std::vector<LayerOffsets> offsets, const std::string& numbers);
  void find_places();
  template <class Pointer>
  std::vector<LayerParameters<Pointer>> layers_at(Pointer base) const;

  const KernelTable* table_;
  const SmallTables* small_;
  std::string numbers_;
  StackShape shape_;
  std::shared_ptr<ParameterBuffer> parameters_;
  std::vector<LayerOffsets> offsets_;
  std::vector<std::array<std::int64_t, 2>> places_;
  std::vector<std::vector<std::int64_t>> shapes_;
  std::int64_t parameter_count_ = 0;
  std::shared_ptr<PackedWeights> weights_;
  std::shared_ptr<const SmallCopy> small_copy_;
};

// Throws unless there are some, each like the first.
void require_alike(const std::vector<std::shared_ptr<Recurrent>>& networks);

void bind_stream(py::module_& m);

}  // namespace rnnfast
