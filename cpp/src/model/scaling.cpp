#include "model/scaling.hpp"

#include <cmath>
#include <limits>

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

float mean_of(const float* x, std::size_t n) noexcept {
  float lane[lanes] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % lanes] += x[i];
  return fold(lane) / static_cast<float>(n);
}

// Scaled is (x - shift) / divisor; a divisor of 0 makes zeros.
struct Affine {
  float shift, divisor;
};

Affine minmax(const float* x, std::size_t n) noexcept {
  float lowest = x[0], highest = x[0];
  for (std::size_t i = 1; i < n; ++i) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
  }
  return {lowest, highest - lowest};
}

Affine zscore(const float* x, std::size_t n) noexcept {
  const Moments moments = moments_of(x, n);
  return {moments.mean, std::sqrt(moments.variance)};
}

Affine affine_of(Scaling scaling, const float* x, std::size_t n) noexcept {
  switch (scaling) {
    case Scaling::minmax:
      return minmax(x, n);
    case Scaling::zscore:
      return zscore(x, n);
    case Scaling::none:
      break;
  }
  return {0.0f, 1.0f};
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

Moments moments_of(const float* x, std::size_t n) noexcept {
  const float mean = mean_of(x, n);
  float lane[lanes] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % lanes] += (x[i] - mean) * (x[i] - mean);
  return {mean, fold(lane) / static_cast<float>(n)};
}

void scale_window(const ModelConfig& config, const float* window, std::size_t together, float* out) noexcept {
  const std::size_t n = config.window;
  if (config.channels == 1) together = n;
  const std::size_t step = config.channels * together;
  for (std::size_t channel = 0; channel < config.channels; ++channel) {
    const float* const x = window + channel * n;
    const Affine a = channel == 0 ? affine_of(config.scaling, x, n) : Affine{mean_of(x, n), 1.0f};
    for (std::size_t i = 0; i < n; i += together) {
      float* const y = out + i / together * step + channel * together;
      for (std::size_t j = 0; j < together; ++j) {
        y[j] = a.divisor > 0.0f ? (x[i + j] - a.shift) / a.divisor : 0.0f;
      }
    }
  }
}

void finish_outputs(const ModelConfig& config, float* outputs) noexcept {
  if (config.activation == Activation::distribution) {
    softmax(outputs, config.n_outputs);
    return;
  }
  for (std::size_t i = 0; i < config.n_outputs; ++i) {
    outputs[i] = static_cast<float>(static_cast<double>(outputs[i]) * config.std + config.mean);
  }
  if (config.activation == Activation::softmax) softmax(outputs, config.n_outputs);
}

void summarize(const ModelConfig& config, const float* probability, float* median_and_deviation) noexcept {
  double total = 0.0, first_moment = 0.0;
  for (std::size_t k = 0; k < config.n_outputs; ++k) {
    total += static_cast<double>(probability[k]);
    first_moment += static_cast<double>(probability[k]) * static_cast<double>(k);
  }
  const double mean = first_moment / total;
  double variance = 0.0, below = 0.0, median = std::numeric_limits<double>::quiet_NaN();
  bool found = false;
  for (std::size_t k = 0; k < config.n_outputs; ++k) {
    const double p = static_cast<double>(probability[k]), offset = static_cast<double>(k) - mean;
    variance += p * offset * offset;
    // Bin k reaches from k - 0.5 to k + 0.5.
    if (!found && p > 0.0 && below + p >= 0.5 * total) {
      found = true;
      median = static_cast<double>(k) - 0.5 + (0.5 * total - below) / p;
    }
    below += p;
  }
  median_and_deviation[0] = static_cast<float>(median * config.std + config.mean);
  median_and_deviation[1] = static_cast<float>(std::sqrt(variance / total) * config.std);
}

}  // namespace ppgfast
