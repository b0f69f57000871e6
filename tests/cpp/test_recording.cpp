// Whole recordings: resampling keeps time, the band-pass both ways has no phase, nothing is read beyond the
// ends.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"
#include "stream/recording.hpp"

namespace {

using namespace ppgfast::stream;

constexpr double pi = 3.14159265358979323846;

std::vector<float> sine(double frequency, double rate, std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(std::sin(2.0 * pi * frequency * static_cast<double>(i) / rate));
  }
  return x;
}

double largest(const std::vector<float>& a, const std::vector<float>& b, std::size_t skip) {
  double most = 0.0;
  for (std::size_t i = skip; i + skip < std::min(a.size(), b.size()); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return most;
}

TEST(time_is_kept) {
  for (const double rate_in : {25.0, 62.4725, 64.0, 125.0, 1000.0}) {
    const auto x = sine(1.3, rate_in, static_cast<std::size_t>(20.0 * rate_in));
    std::vector<float> y(resampled_length(rate_in, 40.0, x.size()));
    CHECK(resample(x.data(), x.size(), rate_in, 40.0, y.data()));
    CHECK(std::fabs(static_cast<double>(y.size()) - 800.0) <= 1.0);
    CHECK(largest(y, sine(1.3, 40.0, y.size()), 20) < 2e-4);
  }
}

TEST(a_pulse_is_not_moved_and_an_offset_vanishes) {
  auto x = sine(1.5, 40.0, 1200);
  for (float& value : x) value += 100.0f;
  std::vector<float> y(x.size());
  CHECK(band_pass(x.data(), x.size(), 40.0, 0.5, 8.0, 2, y.data()));
  CHECK(largest(y, sine(1.5, 40.0, y.size()), 120) < 0.02);
  CHECK(band_pass(x.data(), x.size(), 40.0, 0.5, 8.0, 2, x.data()));  // in place
  CHECK(x == y);
}

TEST(short_signals_have_an_answer) {
  const float x[5] = {1.0f, -2.0f, 3.0f, 0.5f, 7.0f};
  for (std::size_t n = 0; n <= 5; ++n) {
    for (const double rate_out : {10.0, 40.0, 200.0}) {
      std::vector<float> given(x, x + n), out(resampled_length(40.0, rate_out, n));
      CHECK(resample(given.data(), n, 40.0, rate_out, out.data()));
      for (const float value : out) CHECK(std::isfinite(value));
      std::vector<float> filtered(n);
      CHECK(band_pass(given.data(), n, 40.0, 0.5, 8.0, 2, filtered.data()));
      for (const float value : filtered) CHECK(std::isfinite(value));
    }
  }
  CHECK(resampled_length(40.0, 40.0, 5) == 5);
  CHECK(resampled_length(64.0, 40.0, 5529600) == 3456000);
}

}  // namespace
