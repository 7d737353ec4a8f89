#include "bindings/recurrent.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <tuple>
#include <utility>

#include "bindings/finite.h"
#include "bindings/gate_functions.h"
#include "bindings/recurrent_passes.h"
#include "bindings/reduced.h"
#include "bindings/short_calls.h"
#include "parameter_kinds.h"

namespace rnnfast {

namespace {

const CellDescriptor* cell_named(const std::string& name) {
  for (int i = 0; i < kernels().cell_count; ++i)
    if (name == kernels().cells[i]->name) return kernels().cells[i];
  throw py::value_error("cell: expected a known cell, got '" + name + "'");
}

bool alike(const StackShape& one, const StackShape& other) {
  const auto all = [](const StackShape& s) {
    return std::make_tuple(s.cell, s.I, s.H, s.P, s.L, s.D, s.bias, s.projection, s.zoneout_h,
                           s.zoneout_c, s.highway, s.highway_scale, s.window, s.window_width);
  };
  return all(one) == all(other) && alike(one.functions[0], other.functions[0]) &&
         alike(one.functions[1], other.functions[1]);
}

// Every cell by its name.
py::dict cells() {
  py::dict result;
  for (int i = 0; i < kernels().cell_count; ++i)
    result[kernels().cells[i]->name] = *kernels().cells[i];
  return result;
}

// What a pass kept of the gates, and of the memory, in one direction of one layer, by letter.
template <class Scalar>
py::dict kept_gates(const Recurrent& self, const ForwardCache& kept, int layer, int direction) {
  const CellDescriptor& cell = *self.shape().cell;
  const StackShape& shape = self.shape();
  if (kept.cache == nullptr)
    throw std::runtime_error("gates: expected a pass that waits for backprop, got one after it");
  if (layer < 0 || layer >= shape.L || direction < 0 || direction >= shape.D)
    throw py::value_error("layer, direction: expected one that the network has");
  py::dict result;
  for (int gate = 0; gate < cell.gate_count + (cell.has_memory() ? 1 : 0); ++gate) {
    const bool memory = gate == cell.gate_count;
    auto values = new_array<Scalar>({kept.T, kept.B, shape.H});
    require_ok(tables<Scalar>(self.table())
                   .recurrent->kept_gate(kept.weights->packed, kept.cache, layer, direction,
                                         memory ? -1 : gate, values.mutable_data()));
    result[py::str(memory ? "c" : std::string(1, cell.gates[gate]))] = values;
  }
  return result;
}

}  // namespace

PackedWeights::~PackedWeights() {
  if (packed == nullptr) return;
  with_scalar(is_double, [this](auto scalar) {
    tables<decltype(scalar)>(*table).recurrent->packed_free(packed);
  });
}

Recurrent::Recurrent(const StackShape& shape, std::shared_ptr<ParameterBuffer> parameters,
                     std::vector<LayerOffsets> offsets, const std::string& numbers)
    : table_(&kernels_for(numbers, shape, parameters->is_double())),
      small_(&small_kernels()),
      numbers_(numbers),
      shape_(shape),
      parameters_(std::move(parameters)),
      offsets_(std::move(offsets)) {
  if (shape.projection && !shape.cell->may_project)
    throw py::value_error("projection: expected False for the cell '" +
                          std::string(shape.cell->name) + "', got True");
  if (shape.highway >= 0 &&
      (!shape.cell->highway || shape.highway + shape.D * shape.H > shape.input_of(0)))
    throw py::value_error("highway: expected columns of the input of a cell that has one, got " +
                          std::to_string(shape.highway));
  if (!shape.fits_window())
    throw py::value_error("window: expected 1, or more of a cell that takes them and their width");
  if (static_cast<int>(offsets_.size()) != shape_.L * shape_.D)
    throw py::value_error("offsets: expected one entry per layer and direction");
  find_places();
  const auto& all = places();
  if (all.front()[0] < 0 || all.back()[1] > parameters_->size())
    throw py::value_error("offsets: expected places within the buffer of " +
                          std::to_string(parameters_->size()));
}

std::shared_ptr<Recurrent> Recurrent::create(const StackShape& shape,
                                             std::shared_ptr<ParameterBuffer> parameters,
                                             std::vector<LayerOffsets> offsets,
                                             const std::string& numbers) {
  auto& networks = parameters->networks();
  networks.erase(std::remove_if(networks.begin(), networks.end(),
                                [](const auto& network) { return network.expired(); }),
                 networks.end());
  std::shared_ptr<Recurrent> network(
      new Recurrent(shape, std::move(parameters), std::move(offsets), numbers));
  networks.push_back(network);
  return network;
}

template <class Pointer>
std::vector<LayerParameters<Pointer>> Recurrent::layers_at(Pointer base) const {
  const auto at = [base](std::int64_t offset) { return offset < 0 ? nullptr : base + offset; };
  std::vector<LayerParameters<Pointer>> result;
  result.reserve(offsets_.size());
  for (const auto& o : offsets_)
    result.push_back({at(o.w_ih), at(o.w_hh), at(o.b_ih), at(o.b_hh), at(o.w_hr), at(o.unit),
                      at(o.gain_ih), at(o.gain_hh), at(o.gain_c), at(o.bias_c)});
  return result;
}

template <class Scalar>
std::vector<LayerParameters<const Scalar*>> Recurrent::values(const Values<Scalar>& all) const {
  return layers_at<const Scalar*>(all.data());
}

template <class Scalar>
std::vector<LayerParameters<Scalar*>> Recurrent::gradients(Scalar* flat) const {
  return layers_at<Scalar*>(flat != nullptr ? flat : parameters_->grads<Scalar>());
}

template std::vector<LayerParameters<const float*>> Recurrent::values(const Values<float>&) const;
template std::vector<LayerParameters<const double*>> Recurrent::values(const Values<double>&) const;
template std::vector<LayerParameters<float*>> Recurrent::gradients<float>(float*) const;
template std::vector<LayerParameters<double*>> Recurrent::gradients<double>(double*) const;

void Recurrent::find_places() {
  std::vector<std::pair<std::array<std::int64_t, 2>, std::vector<std::int64_t>>> found;
  for (int i = 0; i < shape_.L * shape_.D; ++i)
    for (const auto& kind : parameter_kinds<LayerOffsets>(shape_.cell_of(i / shape_.D), shape_.bias,
                                                          shape_.projection)) {
      const auto sizes = kind.shape_in(shape_, i / shape_.D);
      std::int64_t count = 1;
      for (const std::int64_t size : sizes) count *= size;
      const std::int64_t offset = offsets_[i].*kind.place;
      found.push_back({{offset, offset + count}, sizes});
    }
  std::sort(found.begin(), found.end());
  for (auto& [place, sizes] : found) {
    places_.push_back(place);
    parameter_count_ += place[1] - place[0];
    shapes_.push_back(std::move(sizes));
  }
}

std::shared_ptr<PackedWeights> Recurrent::lend() {
  if (!is_packed() || weights_.use_count() > 1) return nullptr;
  return std::exchange(weights_, nullptr);
}

void Recurrent::give_back(std::shared_ptr<PackedWeights> weights) {
  weights->version = parameters_->version();
  if (weights_ == nullptr) weights_ = std::move(weights);
}

void Recurrent::require_training() const {
  if (!shape_.cell->trains())
    throw py::value_error("cell: expected one with backpropagation, got '" +
                          std::string(shape_.cell->name) + "', which is for inference alone");
  if (numbers_ != "float32")
    throw py::value_error("numbers: expected float32 for backpropagation, got " + numbers_ +
                          ", which is for inference alone");
}

std::shared_ptr<const PackedWeights> Recurrent::weights(bool backward, int threads) {
  if (backward) require_training();
  if (is_packed()) return weights_;
  with_scalar(is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    const auto& table = *tables<Scalar>(*table_).recurrent;
    // In place only if no pass still reads the old ones.
    auto packed = weights_;
    if (!packed || packed.use_count() > 2) {
      packed = std::make_shared<PackedWeights>();
      packed->table = table_;
      packed->is_double = is_double();
      packed->shape = shape_;
      packed->packed = table.packed_create(shape_);
      if (packed->packed == nullptr) require_ok(Status::out_of_memory);
    }
    const auto all = numbers_of_all<Scalar>();
    const auto parameters = values(all);
    packed->version = -1;
    require_ok(table.pack(packed->packed, parameters.data(), thread_count(threads)));
    packed->version = parameters_->version();
    weights_ = packed;
  });
  return weights_;
}

std::shared_ptr<const PackedWeights> Recurrent::weights_at(
    const std::vector<std::uintptr_t>& addresses, bool backward, int threads) {
  if (backward) require_training();
  const auto& at = places();
  if (addresses.size() != at.size())
    throw py::value_error("addresses: expected " + std::to_string(at.size()) + ", got " +
                          std::to_string(addresses.size()));
  with_scalar(is_double(), [&](auto scalar) {
    using Scalar = decltype(scalar);
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const auto* given = reinterpret_cast<const Scalar*>(addresses[i]);
      const std::int64_t size = at[i][1] - at[i][0];
      if (std::memcmp(parameters_->values<Scalar>() + at[i][0], given,
                      static_cast<std::size_t>(size) * sizeof(Scalar)) == 0)
        continue;
      if (!all_finite(given, size))
        throw py::value_error("weights: expected finite numbers, got NaN or infinity");
      changed.push_back(i);
    }
    for (const std::size_t i : changed)
      parameters_->put(at[i][0], reinterpret_cast<const Scalar*>(addresses[i]),
                       at[i][1] - at[i][0]);
  });
  return weights(backward, threads);
}

bool Recurrent::is_like(const Recurrent& other) const {
  return table_ == other.table_ && is_double() == other.is_double() && alike(shape_, other.shape_);
}

void Recurrent::require_fitting(const PackedWeights& weights, bool backward) const {
  if (weights.table != table_ || weights.is_double != is_double() || !alike(weights.shape, shape_))
    throw py::value_error("weights: expected those of a network of this shape, got another's");
  if (backward) require_training();
}

void require_alike(const std::vector<std::shared_ptr<Recurrent>>& networks) {
  if (networks.empty()) throw py::value_error("networks: expected at least one, got none");
  for (const auto& network : networks)
    if (!network->is_like(*networks.front()))
      throw py::value_error("networks: expected all of one shape and dtype, got others");
}

void bind_recurrent(py::module_& m) {
  py::class_<PackedWeights, std::shared_ptr<PackedWeights>>(m, "PackedWeights");
  m.def(
      "forward_each",
      [](const std::vector<std::shared_ptr<Recurrent>>& networks, const py::array& x, bool shared,
         const py::object& h0, const py::object& c0, const py::object& lengths,
         const py::object& reset, bool batch_first) {
        require_alike(networks);
        return with_scalar(networks.front()->is_double(), [&](auto scalar) {
          return forward_each<decltype(scalar)>(networks, x, shared, h0, c0, lengths, reset,
                                                batch_first);
        });
      },
      py::arg("networks"), py::arg("x"), py::arg("shared"), py::arg("h0"), py::arg("c0"),
      py::arg("lengths"), py::arg("reset"), py::arg("batch_first"));
  m.def("cells", &cells);
  py::class_<CellDescriptor>(m, "Cell")
      .def_readonly("name", &CellDescriptor::name)
      .def_readonly("gates", &CellDescriptor::gates)
      .def_property_readonly("has_memory", &CellDescriptor::has_memory)
      .def_property_readonly("trains", &CellDescriptor::trains)
      .def_readonly("function_count", &CellDescriptor::function_count)
      .def_property_readonly("may_project", [](const CellDescriptor& c) { return c.may_project; })
      .def_readonly("has_highway", &CellDescriptor::highway)
      .def_property_readonly("keep_gate",
                             [](const CellDescriptor& c) -> py::object {
                               if (c.keep_gate < 0) return py::none();
                               return py::make_tuple(c.keep_gate, c.keep_sign);
                             })
      .def(
          "parameters",
          [](const CellDescriptor& c, bool bias, bool projection, bool on_highway) {
            py::list result;
            for (const auto& kind :
                 parameter_kinds<LayerOffsets>(on_highway ? c.on_highway() : c, bias, projection))
              result.append(py::make_tuple(kind.name, kind.factor, kind.sizes));
            return result;
          },
          py::arg("bias"), py::arg("projection"), py::arg("on_highway") = false);
  py::class_<ForwardCache>(m, "ForwardCache")
      .def_property_readonly("nbytes", &ForwardCache::bytes)
      .def_readonly("x_print", &ForwardCache::x_print);

  py::class_<Recurrent, std::shared_ptr<Recurrent>>(m, "Recurrent")
      .def(py::init([](const std::string& cell, std::int64_t input_size, std::int64_t hidden_size,
                       std::int64_t output_size, int num_layers, int num_directions, bool bias,
                       bool projection, std::shared_ptr<ParameterBuffer> buffer,
                       const std::vector<std::map<std::string, std::int64_t>>& offsets,
                       const std::array<double, 2>& zoneout,
                       const std::vector<NamedFunctions>& functions, std::int64_t highway,
                       double highway_scale, int window, std::int64_t window_width,
                       const std::string& numbers) {
             StackShape shape = {cell_named(cell), input_size,     hidden_size, output_size,
                                 num_layers,       num_directions, bias,        projection,
                                 zoneout[0],       zoneout[1],     {}};
             shape.highway = highway;
             shape.highway_scale = highway_scale;
             shape.window = window;
             shape.window_width = window_width;
             read_functions(functions, shape);
             std::vector<LayerOffsets> places;
             for (const auto& given : offsets) {
               LayerOffsets place;
               for (const auto& kind : parameter_kinds<LayerOffsets>(*shape.cell, bias, projection))
                 place.*kind.place = given.at(kind.name);
               places.push_back(place);
             }
             return Recurrent::create(shape, std::move(buffer), std::move(places), numbers);
           }),
           py::kw_only(), py::arg("cell"), py::arg("input_size"), py::arg("hidden_size"),
           py::arg("output_size"), py::arg("num_layers"), py::arg("num_directions"),
           py::arg("bias"), py::arg("projection"), py::arg("buffer"), py::arg("offsets"),
           py::arg("zoneout") = std::array<double, 2>{},
           py::arg("functions") = std::vector<NamedFunctions>{}, py::arg("highway") = -1,
           py::arg("highway_scale") = 1.0, py::arg("window") = 1, py::arg("window_width") = 0,
           py::arg("numbers") = "float32")
      .def_property_readonly("numbers", &Recurrent::numbers)
      .def_property_readonly("is_packed", &Recurrent::is_packed)
      .def(
          "weights_at",
          [](Recurrent& self, const std::vector<std::uintptr_t>& addresses, bool backward,
             int threads) {
            return std::const_pointer_cast<PackedWeights>(
                self.weights_at(addresses, backward, threads));
          },
          py::arg("addresses"), py::arg("backward"), py::arg("threads") = 0)
      .def(
          "fingerprint",
          [](const Recurrent& self, const py::array& x, const py::object& lengths,
             bool batch_first) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return fingerprint_of<decltype(scalar)>(x, lengths, batch_first);
            });
          },
          py::arg("x"), py::arg("lengths"), py::arg("batch_first"))
      .def(
          "forward",
          [](Recurrent& self, const py::array& x, const py::object& h0, const py::object& c0,
             const py::object& lengths, const py::object& reset, bool batch_first, bool keep,
             double dropout, std::uint64_t seed, bool every_step_alike,
             const std::shared_ptr<PackedWeights>& weights, int threads, const py::object& noise,
             bool packed) {
            if (weights != nullptr) self.require_fitting(*weights, keep);
            return with_scalar(self.is_double(), [&](auto scalar) {
              return forward<decltype(scalar)>(
                  self, x, h0, c0, lengths, reset, batch_first, keep,
                  Dropout{dropout, seed, every_step_alike},
                  weights != nullptr ? weights : self.weights(keep, threads), threads, noise,
                  packed);
            });
          },
          py::arg("x"), py::arg("h0"), py::arg("c0"), py::arg("lengths"), py::arg("reset"),
          py::arg("batch_first"), py::arg("keep"), py::arg("dropout"), py::arg("seed"),
          py::arg("every_step_alike"), py::arg("weights") = nullptr, py::arg("threads") = 0,
          py::arg("noise") = py::none(), py::arg("packed") = false)
      .def("short_call", &short_call, py::arg("x"), py::arg("state"), py::arg("batch_first"),
           py::arg("keep"))
      .def(
          "backward",
          [](Recurrent& self, ForwardCache& cache, const py::object& dy, const py::object& dh_n,
             const py::object& dc_n, bool need_dx, const py::object& gradients, bool need_weights,
             int threads, bool within) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return backward<decltype(scalar)>(self, cache, dy, dh_n, dc_n,
                                                Need{need_dx, need_weights, within}, gradients,
                                                threads);
            });
          },
          py::arg("cache"), py::arg("dy"), py::arg("dh_n"), py::arg("dc_n"), py::arg("need_dx"),
          py::arg("gradients") = py::none(), py::arg("need_weights") = true, py::arg("threads") = 0,
          py::arg("within") = false)
      .def(
          "gates",
          [](const Recurrent& self, const ForwardCache& cache, int layer, int direction) {
            return with_scalar(self.is_double(), [&](auto scalar) {
              return kept_gates<decltype(scalar)>(self, cache, layer, direction);
            });
          },
          py::arg("cache"), py::arg("layer") = 0, py::arg("direction") = 0)
      .def(
          "check_sequence",
          [](const Recurrent& self, const char* name, const py::array& array,
             const py::object& lengths, bool batch_first) {
            with_scalar(self.is_double(), [&](auto scalar) {
              check_sequence<decltype(scalar)>(self, name, array, lengths, batch_first);
            });
          },
          py::arg("name"), py::arg("array"), py::arg("lengths"), py::arg("batch_first"))
      .def(
          "dropout_mask",
          [](const Recurrent& self, double dropout, std::uint64_t seed, int layer, std::int64_t T,
             std::int64_t B, bool every_step_alike) {
            return with_scalar(self.is_double(), [&](auto scalar) -> py::array {
              using Scalar = decltype(scalar);
              const std::int64_t width = self.shape().D * self.shape().P;
              if (T < 0 || B < 0)
                throw py::value_error("T, B: expected at least 0, got " + text_of({T, B}));
              auto mask = new_array<Scalar>({T, B, width});
              tables<Scalar>(self.table())
                  .recurrent->dropout_mask(Dropout{dropout, seed, every_step_alike}, layer, T, B,
                                           width, mask.mutable_data());
              return mask;
            });
          },
          py::arg("dropout"), py::arg("seed"), py::arg("layer"), py::arg("T"), py::arg("B"),
          py::arg("every_step_alike") = false);
  bind_stream(m);
}

}  // namespace rnnfast
