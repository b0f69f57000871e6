// The two ends of a prediction: samples -> what the network was trained on, raw outputs -> units.
#pragma once

#include <cstddef>

#include "ppgfast/model.hpp"

namespace ppgfast {

// One window of `n` finite samples. minmax: (x - min) / (max - min); zscore: (x - mean) / population standard
// deviation; a flat window becomes zeros. Sums take the 16-lane order of kernels.hpp.
void scale_window(Scaling scaling, const float* window, std::size_t n, float* out) noexcept;

// In place, (n) raw outputs of one window: raw * std + mean, then the activation.
void finish_outputs(const ModelConfig& config, float* outputs) noexcept;

}  // namespace ppgfast
