// A file of layers: one, or a chain of them.
#pragma once

#include <variant>

#include "library/network.h"

namespace rnnfast::library {

using AnyNetwork = std::variant<Network<float>, Network<double>>;

// A Fault where the file holds other layers than these can be, or lists of them.
AnyNetwork read_layers(const Archive& archive);

// The same of a file of RTNeural.
AnyNetwork read_rtneural(const Json& model);

}  // namespace rnnfast::library
