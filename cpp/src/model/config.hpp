// Config records of a PPGF file -> ModelConfig, every value checked.
#pragma once

#include "format/reader.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

// Rejects missing, unknown, mistyped and out-of-range values.
Error read_config(const format::File& file, ModelConfig* out) noexcept;

}  // namespace ppgfast
