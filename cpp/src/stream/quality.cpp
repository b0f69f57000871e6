#include "stream/quality.hpp"

#include <algorithm>

#include "kernels/unroll.hpp"
#include "stream/vectors.hpp"

namespace ppgfast::stream {
namespace {

constexpr double fastest = 220.0 / 60.0, slowest = 30.0 / 60.0;  // beats per second
constexpr std::size_t lanes = 8, together = 4;

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

// From the lowest to the highest of n numbers.
float height(const float* x, std::size_t n) noexcept {
  Four low = {x[0], x[0], x[0], x[0]}, high = low;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const Four four = load(x + i);
    low = four < low ? four : low;
    high = four > high ? four : high;
  }
  for (; i < n; ++i) low[0] = std::min(low[0], x[i]), high[0] = std::max(high[0], x[i]);
  return std::max(std::max(high[0], high[1]), std::max(high[2], high[3])) -
         std::min(std::min(low[0], low[1]), std::min(low[2], low[3]));
}

float mean_of(const float* x, std::size_t n) noexcept {
  Two low = {}, high = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) low += widened(x + i), high += widened(x + i + 2);
  for (; i < n; ++i) low[0] += static_cast<double>(x[i]);
  low += high;
  return static_cast<float>((low[0] + low[1]) / static_cast<double>(n));
}

}  // namespace

float quality(const float* window, std::size_t n, double rate, float step, float* x) noexcept {
  if (height(window, n) < 2.0f * step) return 0.0f;
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
