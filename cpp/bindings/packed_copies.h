// Packed weights that follow a change of the parameters, while it is made.
#pragma once

#include <algorithm>
#include <array>

#include "bindings/recurrent.h"

namespace rnnfast {

// The packed weights of networks all of whose parameters stand in [begin, end) of a buffer: taken
// from them, and given back when the values there have changed. If somebody else changed the buffer
// meanwhile nobody knows what was packed of it: the networks then pack again.
template <class Scalar>
class PackedCopies {
 public:
  PackedCopies(ParameterBuffer& buffer, std::int64_t begin, std::int64_t end)
      : buffer_(buffer), version_(buffer.version()), size_(end - begin) {
    std::vector<Place> taken;
    for (const auto& registered : buffer.networks()) {
      const auto network = registered.lock();
      // Of another instruction set, the copies have another layout.
      if (network == nullptr || &network->table() != &kernels()) continue;
      auto all = network->places();
      if (all.front()[0] < begin || all.back()[1] > end) continue;
      all.insert(all.end(), taken.begin(), taken.end());
      std::sort(all.begin(), all.end());
      if (overlap(all)) continue;  // with another network that has the same weights
      if (auto weights = network->lend()) {
        taken = std::move(all);
        networks_.push_back({network, std::move(weights),
                             network->values(network->template numbers_of_all<Scalar>())});
      }
    }
    std::int64_t from = begin;
    for (const auto& [first, last] : taken) {
      if (from < first) others_.push_back({from - begin, first - begin});
      from = last;
    }
    if (from < end) others_.push_back({from - begin, end - begin});
    for (const auto& network : networks_)
      copies_.push_back({network.weights->packed, network.parameters.data()});
  }
  ~PackedCopies() {
    if (buffer_.version() != version_ + 1) return;
    for (auto& network : networks_) network.owner->give_back(std::move(network.weights));
  }
  PackedCopies(const PackedCopies&) = delete;
  PackedCopies& operator=(const PackedCopies&) = delete;

  Touched<Scalar> touched() const {
    Touched<Scalar> all{size_};
    if (copies_.empty()) return all;
    all.copies = copies_.data();
    all.copy_count = static_cast<std::int64_t>(copies_.size());
    all.others = others_.empty() ? nullptr : others_.front().data();
    all.other_count = static_cast<std::int64_t>(others_.size());
    return all;
  }

 private:
  using Place = std::array<std::int64_t, 2>;  // from and to
  struct Network {
    std::shared_ptr<Recurrent> owner;
    std::shared_ptr<PackedWeights> weights;
    std::vector<LayerParameters<const Scalar*>> parameters;
  };

  static bool overlap(const std::vector<Place>& sorted) {
    for (std::size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i][0] < sorted[i - 1][1]) return true;
    return false;
  }

  const ParameterBuffer& buffer_;
  const std::int64_t version_, size_;
  std::vector<Network> networks_;
  std::vector<PackedCopy<Scalar>> copies_;
  std::vector<Place> others_;
};

}  // namespace rnnfast
