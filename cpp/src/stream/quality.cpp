#include "stream/quality.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/unroll.hpp"

namespace ppgfast::stream {
namespace {

constexpr double fastest = 220.0 / 60.0, slowest = 30.0 / 60.0;  // beats per second
constexpr std::size_t lanes = 8;  // element i of a sum goes to lane i % 8; they fold 4-2-1

#if defined(PPGFAST_SMALL_DEVICE)  // few registers, and -Os

constexpr std::size_t together = 1;

template <std::size_t>
void correlate(const float* x, std::size_t n, std::size_t lag, float* out) noexcept {
  float lane[lanes] = {};
  for (std::size_t i = 0; i < n - lag; i += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) lane[l] += x[i + l] * x[i + l + lag];
  }
  for (std::size_t half = lanes / 2; half > 0; half /= 2) {
    for (std::size_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  *out = lane[0];
}

#else

constexpr std::size_t together = 4;  // lags, so that no sum waits for the one before it
using Four = float __attribute__((vector_size(16)));

Four load(const float* x) noexcept {
  Four four;
  std::memcpy(&four, x, sizeof(four));
  return four;
}

// The sums over x[i] x[i + lag] for `count` lags from the first one on; x is zero from n to n + lanes +
// count.
template <std::size_t count>
void correlate(const float* x, std::size_t n, std::size_t lag, float* out) noexcept {
  Four low[count] = {}, high[count] = {};
  for (std::size_t i = 0; i < n - lag; i += lanes) {
    const Four a = load(x + i), b = load(x + i + 4);
    PPGFAST_UNROLL for (std::size_t j = 0; j < count; ++j) {
      low[j] += a * load(x + i + lag + j);
      high[j] += b * load(x + i + 4 + lag + j);
    }
  }
  for (std::size_t j = 0; j < count; ++j) {
    const Four sum = low[j] + high[j];
    out[j] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  }
}

#endif

float mean_of(const float* x, std::size_t n) noexcept {
  double even = 0.0, odd = 0.0;
  std::size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    even += static_cast<double>(x[i]);
    odd += static_cast<double>(x[i + 1]);
  }
  if (i < n) even += static_cast<double>(x[i]);
  return static_cast<float>((even + odd) / static_cast<double>(n));
}

}  // namespace

float quality(const float* window, std::size_t n, double rate, float step, float* x) noexcept {
  float lowest = window[0], highest = window[0];
  for (std::size_t i = 1; i < n; ++i) {
    lowest = std::min(lowest, window[i]);
    highest = std::max(highest, window[i]);
  }
  if (highest - lowest < 2.0f * step) return 0.0f;
  const float mean = mean_of(window, n);
  for (std::size_t i = 0; i < n; ++i) x[i] = window[i] - mean;
  for (std::size_t i = n; i < n + lanes + together; ++i) x[i] = 0.0f;

  const auto shortest = static_cast<std::size_t>(rate / fastest);
  const std::size_t longest = std::min(static_cast<std::size_t>(rate / slowest), n / 2);
  // Sums over the part before and the part after the lag: both shrink as the lag grows.
  float before;
  correlate<1>(x, n, 0, &before);
  float after = before;
  float best = 0.0f, previous = 1.0f, sum[together] = {};
  bool rising = false;
  for (std::size_t lag = 1; lag <= longest; ++lag) {
    before -= x[n - lag] * x[n - lag];
    after -= x[lag - 1] * x[lag - 1];
    if (lag < shortest) continue;
    const std::size_t j = (lag - shortest) % together;
    if (j == 0) correlate<together>(x, n, lag, sum);
    const float energy = 0.5f * (before + after);
    const float value = energy > 0.0f ? sum[j] / energy : 0.0f;
    if (rising && value < previous) best = std::max(best, previous);
    rising = value > previous;
    previous = value;
  }
  return std::min(best, 1.0f);
}

}  // namespace ppgfast::stream
