#include "stream/recording.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

#include "stream/band_pass.hpp"
#include "stream/resampler.hpp"

namespace ppgfast::stream {
namespace {

template <typename T>
std::unique_ptr<T[]> block(std::size_t n) noexcept {
  return std::unique_ptr<T[]>(new (std::nothrow) T[n]);
}

}  // namespace

std::size_t resampled_length(double rate_in, double rate_out, std::size_t n) noexcept {
  const Ratio step = nearest_ratio(rate_in / rate_out);
  // In whole and rest, so that no product of 64 bits overflows: both parts of the ratio are below 2^25.
  const std::uint64_t whole = n / step.numerator, rest = n % step.numerator;
  return static_cast<std::size_t>(whole * step.denominator + rest * step.denominator / step.numerator);
}

bool resample(const float* x, std::size_t n, double rate_in, double rate_out, float* out) noexcept {
  const std::size_t n_out = resampled_length(rate_in, rate_out, n);
  if (n_out == 0) return true;
  if (rate_in == rate_out) {
    std::memmove(out, x, n * sizeof(float));
    return true;
  }
  const std::size_t reach = Resampler::reach(rate_in, rate_out);
  const std::size_t n_weights = Resampler::weight_doubles(rate_in, rate_out, reach, false);
  const auto table = block<float>(Lowpass::floats);
  const auto memory = block<float>(Resampler::memory_floats(reach, reach));
  const auto weights = block<double>(n_weights);
  if (!table || !memory || !weights) return false;
  Lowpass::design(table.get());
  Resampler resampler;
  resampler.init(table.get(), memory.get(), weights.get(), n_weights, rate_in, rate_out, reach, reach);

  // Sample i of the signal continued beyond both ends; where it is shorter than the filter, its ends stay.
  const auto continued = [x, n](std::ptrdiff_t i) {
    const auto last = static_cast<std::ptrdiff_t>(n) - 1;
    if (i < 0) return 2.0f * x[0] - x[std::min(-i, last)];
    if (i > last) return 2.0f * x[last] - x[std::max<std::ptrdiff_t>(2 * last - i, 0)];
    return x[i];
  };
  const auto before = static_cast<std::ptrdiff_t>(reach);
  resampler.restart(continued(-before), static_cast<double>(reach));
  std::size_t done = 0;
  for (std::ptrdiff_t i = -before; done < n_out; ++i) {
    resampler.push(continued(i));
    while (done < n_out && resampler.ready()) out[done++] = static_cast<float>(resampler.pull());
  }
  return true;
}

bool band_pass(const float* x, std::size_t n, double rate, double low, double high, std::uint32_t order,
               float* out) noexcept {
  if (n == 0) return true;
  const auto three_periods = static_cast<std::size_t>(std::fmin(3.0 * rate / low + 0.5, 1e15));
  const std::size_t edge = std::min(n - 1, three_periods), total = n + 2 * edge;
  const auto y = block<double>(total);
  if (!y) return false;
  for (std::size_t i = 0; i < edge; ++i) {
    y[i] = static_cast<double>(x[edge - i]);
    y[edge + n + i] = static_cast<double>(x[n - 2 - i]);
  }
  for (std::size_t i = 0; i < n; ++i) y[edge + i] = static_cast<double>(x[i]);

  BandPass filter;
  filter.design(order, low, high, rate);
  // Both passes start as if the first value had been there for ever: the band-pass answers that with 0.
  const double first = y[0];
  for (std::size_t i = 0; i < total; ++i) y[i] = filter.step(y[i] - first);
  filter.restart();
  const double last = y[total - 1];
  for (std::size_t i = total; i-- > edge;) {
    y[i] = filter.step(y[i] - last);
  }
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(y[edge + i]);
  return true;
}

}  // namespace ppgfast::stream
