#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/module.h"
#include "bindings/unlocked.h"

namespace rnnfast {

namespace {

// Emissions, scores and lengths as they come from Python, checked.
template <class Scalar>
struct CheckedChains {
  CrfChains<Scalar> chains = {};
  Held held[5];

  CheckedChains(const py::array& emissions, const py::array& start, const py::array& transitions,
                const py::array& end, const py::object& lengths) {
    if (emissions.ndim() != 3 || emissions.shape(2) < 1)
      throw py::value_error("emissions: expected shape (T, B, K), got " +
                            text_of(shape_of(emissions)));
    held[0] = Held(with_contiguous_rows("emissions", emissions));
    chains.T = emissions.shape(0);
    chains.B = emissions.shape(1);
    chains.K = emissions.shape(2);
    chains.emissions = held[0].data<Scalar>();
    chains.step_stride = held[0]->strides(0) / static_cast<std::int64_t>(sizeof(Scalar));
    chains.row_stride = held[0]->strides(1) / static_cast<std::int64_t>(sizeof(Scalar));
    const std::int64_t K = chains.K;
    chains.start = optional_data<Scalar>("start", start, {K}, held[1]);
    chains.end = optional_data<Scalar>("end", end, {K}, held[2]);
    chains.transitions = optional_data<Scalar>("transitions", transitions, {K, K}, held[3]);
    chains.lengths = optional_data<std::int64_t>("lengths", lengths, {chains.B}, held[4]);
    for (std::int64_t b = 0; chains.lengths != nullptr && b < chains.B; ++b)
      if (chains.lengths[b] < 0 || chains.lengths[b] > chains.T)
        throw py::value_error("lengths: expected numbers from 0 to " + std::to_string(chains.T) +
                              ", got " + std::to_string(chains.lengths[b]));
  }

  const std::int64_t* targets(const py::object& given, Held& kept) const {
    const std::int64_t T = chains.T, B = chains.B, K = chains.K;
    const auto* const tags = optional_data<std::int64_t>("targets", given, {T, B}, kept);
    for (std::int64_t b = 0; tags != nullptr && b < B; ++b) {
      const std::int64_t n = chains.lengths != nullptr ? chains.lengths[b] : T;
      for (std::int64_t t = 0; t < n; ++t)
        if (tags[t * B + b] < 0 || tags[t * B + b] >= K)
          throw py::value_error("targets: expected tags from 0 to " + std::to_string(K - 1) +
                                ", got " + std::to_string(tags[t * B + b]) + " at step " +
                                std::to_string(t) + " of sequence " + std::to_string(b));
    }
    return tags;
  }
};

// log Z and the scores of the targets (B each, None without), and the gradients of emissions,
// start, transitions and end, or None.
template <class Scalar>
py::tuple crf_sums(const CheckedChains<Scalar>& checked, const py::object& targets,
                   const py::object& weights, bool backward) {
  const auto& chains = checked.chains;
  const std::int64_t T = chains.T, B = chains.B, K = chains.K;
  Held held[2];
  CrfSums<Scalar> sums = {};
  sums.targets = checked.targets(targets, held[0]);
  sums.weights = optional_data<double>("weights", weights, {B}, held[1]);
  auto log_z = new_array<double>({B});
  sums.log_z = log_z.mutable_data();
  py::object scores = py::none(), gradients = py::none();
  if (sums.targets != nullptr) {
    auto array = new_array<double>({B});
    sums.scores = array.mutable_data();
    scores = array;
  }
  if (backward) {
    auto de = new_array<Scalar>({T, B, K}), ds = new_array<Scalar>({K});
    auto dt = new_array<Scalar>({K, K}), dn = new_array<Scalar>({K});
    sums.demissions = de.mutable_data();
    sums.dstart = ds.mutable_data();
    sums.dtransitions = dt.mutable_data();
    sums.dend = dn.mutable_data();
    gradients = py::make_tuple(de, ds, dt, dn);
  }
  const auto& table = *tables<Scalar>(kernels()).crf;
  const int threads = thread_count();
  Status status;
  {
    const Released release;
    status = table.sums(chains, sums, threads);
  }
  require_ok(status);
  return py::make_tuple(log_z, scores, gradients);
}

// The best tags (T, B), -1 past the lengths, and their scores (B).
template <class Scalar>
py::tuple crf_decode(const CheckedChains<Scalar>& checked) {
  const auto& chains = checked.chains;
  auto tags = new_array<std::int64_t>({chains.T, chains.B});
  auto scores = new_array<double>({chains.B});
  std::int64_t* const to = tags.mutable_data();
  double* const values = scores.mutable_data();
  std::fill(to, to + tags.size(), std::int64_t(-1));
  const auto& table = *tables<Scalar>(kernels()).crf;
  const int threads = thread_count();
  Status status;
  {
    const Released release;
    status = table.decode(chains, to, values, threads);
  }
  require_ok(status);
  return py::make_tuple(tags, scores);
}

}  // namespace

void bind_crf(py::module_& m) {
  m.def(
      "crf_sums",
      [](const py::array& emissions, const py::array& start, const py::array& transitions,
         const py::array& end, const py::object& lengths, const py::object& targets,
         const py::object& weights, bool backward) {
        return with_scalar_of("emissions", emissions, [&](auto scalar) {
          const CheckedChains<decltype(scalar)> checked(emissions, start, transitions, end,
                                                        lengths);
          return crf_sums(checked, targets, weights, backward);
        });
      },
      py::arg("emissions"), py::arg("start"), py::arg("transitions"), py::arg("end"),
      py::arg("lengths"), py::arg("targets"), py::arg("weights"), py::arg("backward"));
  m.def(
      "crf_decode",
      [](const py::array& emissions, const py::array& start, const py::array& transitions,
         const py::array& end, const py::object& lengths) {
        return with_scalar_of("emissions", emissions, [&](auto scalar) {
          return crf_decode(
              CheckedChains<decltype(scalar)>(emissions, start, transitions, end, lengths));
        });
      },
      py::arg("emissions"), py::arg("start"), py::arg("transitions"), py::arg("end"),
      py::arg("lengths"));
}

}  // namespace rnnfast
