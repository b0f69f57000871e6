#include "binding.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of ppgfast.";
  module.attr("__version__") = PPGFAST_VERSION;
  ppgfast::binding::bind_status(module);
  ppgfast::binding::bind_cpu(module);
  ppgfast::binding::bind_model(module);
  ppgfast::binding::bind_stream(module);
  ppgfast::binding::bind_recording(module);
  ppgfast::binding::bind_losses(module);
}
