#include "binding.hpp"
#include "cpu/select.hpp"

namespace py = pybind11;

namespace ppgfast::binding {

void bind_cpu(py::module_& module) {
  module.def("isas", [] {
    cpu::Candidate candidate[cpu::max_candidates];
    const std::size_t n = cpu::candidates(cpu::detect(), candidate);
    py::dict supported;
    for (std::size_t i = 0; i < n; ++i) supported[candidate[i].table->name] = candidate[i].supported;
    return supported;
  });
  module.def("selected_isa", [](const char* forced) {
    const kernels::Kernels* table = nullptr;
    if (const Error error = cpu::select(cpu::detect(), forced, &table)) raise(error, "");
    return table->name;
  });
}

}  // namespace ppgfast::binding
