#include "stream/quality.hpp"

#include <algorithm>

namespace ppgfast::stream {
namespace {

constexpr std::size_t lanes = 8;
constexpr double fastest = 220.0 / 60.0, slowest = 30.0 / 60.0;  // beats per second

// The sum over a[i] b[i], lane by lane.
float dot(const float* a, const float* b, std::size_t n) noexcept {
  float lane[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) lane[l] += a[i + l] * b[i + l];
  }
  for (std::size_t l = 0; i + l < n; ++l) lane[l] += a[i + l] * b[i + l];
  for (std::size_t half = lanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0];
}

}  // namespace

float quality(const float* window, std::size_t n, double rate, float step, float* x) noexcept {
  const auto ends = std::minmax_element(window, window + n);
  if (*ends.second - *ends.first < 2.0f * step) return 0.0f;

  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(window[i]);
  const auto mean = static_cast<float>(sum / static_cast<double>(n));
  for (std::size_t i = 0; i < n; ++i) x[i] = window[i] - mean;

  const auto shortest = static_cast<std::size_t>(rate / fastest);
  const std::size_t longest = std::min(static_cast<std::size_t>(rate / slowest), n / 2);
  // Sums over the part before and the part after the lag: both shrink as the lag grows.
  float before = dot(x, x, n), after = before;
  float best = 0.0f, previous = 1.0f;
  bool rising = false;
  for (std::size_t lag = 1; lag <= longest; ++lag) {
    before -= x[n - lag] * x[n - lag];
    after -= x[lag - 1] * x[lag - 1];
    if (lag < shortest) continue;
    const float energy = 0.5f * (before + after);
    const float value = energy > 0.0f ? dot(x, x + lag, n - lag) / energy : 0.0f;
    if (rising && value < previous) best = std::max(best, previous);
    rising = value > previous;
    previous = value;
  }
  return std::min(best, 1.0f);
}

}  // namespace ppgfast::stream
