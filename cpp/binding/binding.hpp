// The Python face: each topic in a file of its own.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "ppgfast/model.hpp"
#include "ppgfast/status.hpp"

namespace ppgfast::binding {

void bind_cpu(pybind11::module_& module);
void bind_losses(pybind11::module_& module);
void bind_model(pybind11::module_& module);
void bind_recording(pybind11::module_& module);
void bind_status(pybind11::module_& module);
void bind_stream(pybind11::module_& module);  // after bind_model

// The model in a Python Model, which must outlive the reference.
const Model& model_of(const pybind11::handle& object);

// Raises what a failed load means in Python: MemoryError, ValueError for an instruction set that cannot be
// had, ppgfast.ModelFileError for everything about the file. `source` names the file in the message.
[[noreturn]] void raise(const Error& error, const std::string& source);

}  // namespace ppgfast::binding
