#include "model/scaling.hpp"

#include <cmath>
#include <cstring>

#include "kernels/scalar_math.hpp"

namespace ppgfast {
namespace {

constexpr std::size_t lanes = 16;

float fold(float (&lane)[lanes]) noexcept {
  for (std::size_t half = lanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0];
}

void scale_minmax(const float* x, std::size_t n, float* out) noexcept {
  float lowest = x[0], highest = x[0];
  for (std::size_t i = 1; i < n; ++i) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
  }
  const float range = highest - lowest;
  for (std::size_t i = 0; i < n; ++i) out[i] = range > 0.0f ? (x[i] - lowest) / range : 0.0f;
}

void scale_zscore(const float* x, std::size_t n, float* out) noexcept {
  float lane[lanes] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % lanes] += x[i];
  const float mean = fold(lane) / static_cast<float>(n);
  for (float& sum : lane) sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) lane[i % lanes] += (x[i] - mean) * (x[i] - mean);
  const float deviation = std::sqrt(fold(lane) / static_cast<float>(n));
  for (std::size_t i = 0; i < n; ++i) out[i] = deviation > 0.0f ? (x[i] - mean) / deviation : 0.0f;
}

void softmax(float* x, std::size_t n) noexcept {
  float highest = x[0];
  for (std::size_t i = 1; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  float sum = 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = kernels::exp_f32(x[i] - highest);
    sum += x[i];
  }
  for (std::size_t i = 0; i < n; ++i) x[i] /= sum;
}

}  // namespace

void scale_window(Scaling scaling, const float* window, std::size_t n, float* out) noexcept {
  switch (scaling) {
    case Scaling::none:
      std::memcpy(out, window, n * sizeof(float));
      break;
    case Scaling::minmax:
      scale_minmax(window, n, out);
      break;
    case Scaling::zscore:
      scale_zscore(window, n, out);
      break;
  }
}

void finish_outputs(const ModelConfig& config, float* outputs) noexcept {
  for (std::size_t i = 0; i < config.n_outputs; ++i) {
    outputs[i] = static_cast<float>(static_cast<double>(outputs[i]) * config.std + config.mean);
  }
  if (config.activation == Activation::softmax) softmax(outputs, config.n_outputs);
}

}  // namespace ppgfast
