// The two ends of a prediction: samples -> what the network was trained on, raw outputs -> units.
#pragma once

#include <cstddef>

#include "ppgfast/model.hpp"

namespace ppgfast {

// One window (channels, window) of finite samples, as the network wants it. The PPG: minmax: (x - min) /
// (max - min); zscore: (x - mean) / population standard deviation; a flat window becomes zeros. Each axis of
// the accelerometer: x - mean, which takes gravity out. Sums take the 16-lane order of kernels.hpp. The
// result holds `together` samples of each channel in turn.
void scale_window(const ModelConfig& config, const float* window, std::size_t together, float* out) noexcept;

// Mean and population variance of n samples, by sums in the 16-lane order.
struct Moments {
  float mean, variance;
};
Moments moments_of(const float* x, std::size_t n) noexcept;

// In place, (n_outputs) raw outputs of one window: raw * std + mean, then the activation; of a distribution
// the probability of each bin.
void finish_outputs(const ModelConfig& config, float* outputs) noexcept;

// (n_outputs) probabilities -> the median, linear inside its bin, and the standard deviation, in units.
void summarize(const ModelConfig& config, const float* probability, float* median_and_deviation) noexcept;

}  // namespace ppgfast
