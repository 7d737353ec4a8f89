#include "bindings/module.h"
namespace rnnfast {
void bind_recurrent(pybind11::module_&) {}
}
