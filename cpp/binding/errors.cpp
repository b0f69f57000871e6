#include <string>

#include "binding.hpp"
#include "cpu/select.hpp"

namespace py = pybind11;

namespace ppgfast::binding {
namespace {

std::string supported_isas() {
  cpu::Candidate candidate[cpu::max_candidates];
  const std::size_t n = cpu::candidates(cpu::detect(), candidate);
  std::string names;
  for (std::size_t i = 0; i < n; ++i) {
    if (candidate[i].supported) names += (names.empty() ? "" : ", ") + std::string(candidate[i].table->name);
  }
  return names;
}

}  // namespace

void raise(const Error& error, const std::string& source) {
  switch (error.status) {
    case Status::out_of_memory:
      throw std::bad_alloc();
    case Status::unknown_isa:
    case Status::unsupported_isa:
      throw py::value_error("isa '" + std::string(error.name) + "': " + status_found(error.status) + ": " +
                            status_fix(error.status) + ": " + supported_isas());
    default:
      break;
  }
  const py::object make = py::module_::import("ppgfast.format").attr("model_file_error");
  const py::object value = make(source, status_name(error.status), error.offset, error.name);
  PyErr_SetObject(py::type::of(value).ptr(), value.ptr());
  throw py::error_already_set();
}

void bind_status(py::module_& module) {
  module.def(
      "statuses",
      [] {
        py::list all;
        for (std::int32_t i = 0; i < status_count; ++i) {
          const auto status = static_cast<Status>(i);
          all.append(py::make_tuple(status_name(status), status_found(status), status_fix(status)));
        }
        return all;
      },
      "Every way a call can fail, in order: (name, what was found, how to mend it).");
}

}  // namespace ppgfast::binding
