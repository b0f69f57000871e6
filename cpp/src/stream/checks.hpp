// What is asked of a model and of a config before there is a stream.
#pragma once

#include "ppgfast/stream.hpp"

namespace ppgfast::stream {

Error check(const ModelConfig& model, double sampling_rate) noexcept;  // can the model's signal be made?
Error check(const ModelConfig& model, const StreamConfig& config) noexcept;

}  // namespace ppgfast::stream
