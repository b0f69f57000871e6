// The parts of a stream before the model: low-pass, band-pass, clock, gate, quality.
#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "stream/band_pass.hpp"
#include "stream/clock.hpp"
#include "stream/gate.hpp"
#include "stream/quality.hpp"
#include "stream/resampler.hpp"
#include "stream/trigonometry.hpp"
#include "stream_cases.hpp"

namespace {

using namespace ppgfast::stream;
using stream_cases::Random;

constexpr double pi = 3.14159265358979323846;

std::vector<double> resample(const std::vector<float>& x, double rate_in, double rate_out) {
  std::vector<float> table(Lowpass::floats);
  Lowpass::design(table.data());
  const std::size_t reach = Resampler::reach(rate_in, rate_out);
  std::vector<float> memory(Resampler::memory_floats(reach, reach));
  Resampler resampler;
  std::vector<double> weights(Resampler::weight_doubles(rate_in, rate_out, reach, false));
  resampler.init(table.data(), memory.data(), weights.data(), weights.size(), rate_in, rate_out, reach,
                 reach);
  resampler.restart(x[0], 0.0);
  std::vector<double> y;
  for (const float value : x) {
    resampler.push(value);
    while (resampler.ready()) y.push_back(resampler.pull());
  }
  return y;
}

struct Tone {
  double amplitude, phase;
};

// Amplitude and phase of `frequency` in y, by least squares over all but the ends.
Tone tone(const std::vector<double>& y, double rate, double frequency) {
  double ss = 0, sc = 0, cc = 0, sy = 0, cy = 0;
  for (std::size_t k = 100; k + 100 < y.size(); ++k) {
    const double t = static_cast<double>(k) / rate;
    const double s = std::sin(2 * pi * frequency * t), c = std::cos(2 * pi * frequency * t);
    ss += s * s, sc += s * c, cc += c * c, sy += s * y[k], cy += c * y[k];
  }
  const double d = ss * cc - sc * sc, a = (sy * cc - cy * sc) / d, b = (cy * ss - sy * sc) / d;
  return {std::sqrt(a * a + b * b), std::atan2(b, a)};
}

TEST(sine_and_cosine_are_those_of_the_mathematics_library) {
  for (int i = -4000; i <= 4000; ++i) {
    const double x = i * 0.00125;
    const SineCosine got = sine_cosine_pi(x);
    CHECK(std::fabs(got.sine - std::sin(pi * x)) < 1e-15 * (1.0 + std::fabs(pi * x)));
    CHECK(std::fabs(got.cosine - std::cos(pi * x)) < 1e-15 * (1.0 + std::fabs(pi * x)));
  }
}

TEST(ratios_of_rates_are_exact) {
  const Ratio a = nearest_ratio(64.0 / 40.0), b = nearest_ratio(62.4725 / 40.0), c = nearest_ratio(0.1);
  CHECK_EQ(a.numerator, 8u);
  CHECK_EQ(a.denominator, 5u);
  CHECK_EQ(b.numerator, 24989u);
  CHECK_EQ(b.denominator, 16000u);
  CHECK_EQ(c.denominator, 10u);
  const Ratio d = nearest_ratio(pi);
  CHECK(std::fabs(static_cast<double>(d.numerator) / static_cast<double>(d.denominator) - pi) < 4e-12);
}

TEST(a_sweep_of_sines_keeps_its_amplitude_and_its_place) {
  double worst_gain = 0.0, worst_delay = 0.0;
  for (const double rate : {25.0, 31.25, 32.0, 50.0, 62.4725, 64.0, 100.0, 125.0, 128.0, 176.0}) {
    for (double frequency = 0.5; frequency <= 8.0; frequency += 0.5) {
      std::vector<float> x(static_cast<std::size_t>(30.0 * rate));
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(std::sin(2 * pi * frequency * static_cast<double>(i) / rate));
      }
      const Tone got = tone(resample(x, rate, 40.0), 40.0, frequency);
      worst_gain = std::fmax(worst_gain, std::fabs(got.amplitude - 1.0));
      worst_delay = std::fmax(worst_delay, std::fabs(got.phase / (2 * pi * frequency)));
    }
  }
  std::cout << "  amplitude within " << worst_gain << ", delay within " << worst_delay << " s\n";
  CHECK(worst_gain < 2e-4);
  CHECK(worst_delay < 1e-6);
}

TEST(what_the_lower_rate_cannot_hold_is_80_dB_down) {
  for (const double rate : {100.0, 128.0, 500.0}) {
    for (const double frequency : {27.0, 33.0, 45.0}) {  // beyond 1.31 * 20 Hz
      std::vector<float> x(static_cast<std::size_t>(30.0 * rate));
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(std::sin(2 * pi * frequency * static_cast<double>(i) / rate));
      }
      double largest = 0.0;
      const std::vector<double> y = resample(x, rate, 40.0);
      for (std::size_t k = 50; k + 50 < y.size(); ++k) largest = std::fmax(largest, std::fabs(y[k]));
      CHECK(largest < 2e-4);
    }
  }
}

TEST(an_offset_passes_without_a_ripple) {
  const std::vector<float> x(2000, 123456.0f);
  for (const double rate : {25.0, 61.7, 64.0, 176.0, 500.0}) {
    for (const double y : resample(x, rate, 40.0)) CHECK(std::fabs(y - 123456.0) < 1e-9);
  }
}

TEST(equal_rates_give_equal_samples) {
  const std::vector<float> x = stream_cases::pulses(400, 40.0);
  const std::vector<double> y = resample(x, 40.0, 40.0);
  CHECK(y.size() == x.size() - 8);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK_EQ(y[i], static_cast<double>(x[i]));
}

double gain_at(std::uint32_t order, double low, double high, double rate, double frequency) {
  BandPass filter;
  filter.design(order, low, high, rate);
  filter.restart();
  std::vector<double> y;
  for (int i = 0; i < 8000; ++i) y.push_back(filter.step(std::sin(2 * pi * frequency * i / rate)));
  return tone(std::vector<double>(y.begin() + 4000, y.end()), rate, frequency).amplitude;
}

TEST(a_band_pass_has_the_response_of_butterworth) {
  for (const std::uint32_t order : {1u, 2u, 3u, 4u, 6u}) {
    // On the bent axis tan(pi f / rate): |H|^2 = 1 / (1 + ((w^2 - w0^2) / (w (b - a)))^(2 order)).
    const double rate = 40.0, low = 0.5, high = 8.0;
    const double a = std::tan(pi * low / rate), b = std::tan(pi * high / rate);
    for (const double frequency : {0.25, 0.5, 1.0, 2.3, 5.0, 8.0, 10.0}) {
      const double w = std::tan(pi * frequency / rate);
      const double detuned = (w * w - a * b) / (w * (b - a));
      const double expected = 1.0 / std::sqrt(1.0 + std::pow(detuned, 2.0 * order));
      CHECK(std::fabs(gain_at(order, low, high, rate, frequency) - expected) < 1e-6);
    }
  }
}

TEST(a_band_pass_falls_silent_without_subnormal_numbers) {
  BandPass filter;
  filter.design(4, 0.5, 8.0, 40.0);
  filter.restart();
  double y = filter.step(1.0);
  for (int i = 0; i < 100000; ++i) y = filter.step(0.0);
  CHECK_EQ(y, 0.0);
}

// Time stamps of samples at `true_rate` with jitter, read by a clock that was told `rate`.
Clock after(double rate, double true_rate, double jitter, double seconds, int* jumps) {
  Clock clock;
  clock.init(rate, 0.1);
  Random random(3);
  std::int64_t lost = 0;
  for (int i = 0; i < static_cast<int>(seconds * true_rate); ++i) {
    const double time = 1000.0 + i / true_rate + jitter * (2.0 * random.uniform() - 1.0);
    *jumps += clock.accept(time, &lost) == Clock::Stamp::jump;
  }
  return clock;
}

TEST(a_clock_finds_the_rate_through_jitter) {
  for (const double rate : {25.0, 64.0, 128.0}) {
    for (const double drift : {0.98, 0.9998, 1.0, 1.005, 1.02}) {
      int jumps = 0;
      const Clock clock = after(rate, rate * drift, 0.015, 60.0, &jumps);
      CHECK_EQ(jumps, 0);
      CHECK(std::fabs(clock.measured_rate() / (rate * drift) - 1.0) < 1.5e-3);
    }
  }
}

TEST(a_clock_finds_a_rate_that_is_far_off) {
  int jumps = 0;
  const Clock clock = after(64.0, 50.0, 0.005, 120.0, &jumps);
  CHECK(jumps > 0);
  CHECK(std::fabs(clock.measured_rate() / 50.0 - 1.0) < 2e-3);
}

TEST(a_clock_says_nothing_before_it_has_settled) {
  int jumps = 0;
  CHECK_EQ(after(64.0, 64.0, 0.0, 19.0, &jumps).measured_rate(), 0.0);
  CHECK(after(64.0, 64.0, 0.0, 21.0, &jumps).measured_rate() > 63.9);
}

TEST(a_clock_counts_what_was_lost) {
  Clock clock;
  clock.init(50.0, 0.1);
  std::int64_t lost = 0;
  for (int i = 0; i < 100; ++i) CHECK(clock.accept(i * 0.02, &lost) == Clock::Stamp::on_time);
  CHECK(clock.accept(150 * 0.02, &lost) == Clock::Stamp::jump);
  CHECK_EQ(lost, 50);
  CHECK(clock.accept(151 * 0.02, &lost) == Clock::Stamp::on_time);
  CHECK(clock.accept(1.0, &lost) == Clock::Stamp::jump);  // backwards
  CHECK_EQ(lost, 0);
  CHECK(clock.accept(std::numeric_limits<double>::quiet_NaN(), &lost) == Clock::Stamp::none);
  CHECK(clock.accept(1e300, &lost) == Clock::Stamp::none);
  CHECK(clock.accept(1e12, &lost) == Clock::Stamp::jump);
  CHECK(lost > 0);
}

TEST(a_gate_stops_what_is_no_pulse) {
  ppgfast::StreamConfig config;
  config.sampling_rate = 50.0;
  config.clip_low = 0.0, config.clip_high = 4095.0;
  config.worn_low = 100.0;
  Gate gate;
  gate.init(config);
  using ppgfast::Reason;
  CHECK(gate.check(2000.0f) == Reason::ok);
  CHECK(gate.check(4095.0f) == Reason::clipped);
  CHECK(gate.check(5000.0f) == Reason::clipped);
  CHECK(gate.check(-0.0f) == Reason::clipped);
  CHECK(gate.check(1e-40f) == Reason::off_wrist);
  CHECK(gate.check(99.0f) == Reason::off_wrist);
  CHECK(gate.check(1e30f) == Reason::out_of_range);
  CHECK(gate.check(-1e30f) == Reason::out_of_range);
  CHECK(gate.check(std::numeric_limits<float>::quiet_NaN()) == Reason::gap);
  CHECK(gate.check(-std::numeric_limits<float>::infinity()) == Reason::gap);
  for (int i = 0; i < 25; ++i) CHECK(gate.check(300.0f) == Reason::ok);
  CHECK(gate.check(300.0f) == Reason::flat);
  CHECK(gate.check(301.0f) == Reason::ok);
}

TEST(quality_tells_a_pulse_from_noise) {
  Random random(5);
  std::vector<float> pulse(320), noise(320), scratch(quality_scratch(320));
  for (std::size_t i = 0; i < pulse.size(); ++i) {
    pulse[i] = static_cast<float>(1e5 + std::sin(2 * pi * 1.3 * static_cast<double>(i) / 40.0));
    noise[i] = static_cast<float>(random.uniform());
  }
  CHECK(quality(pulse.data(), 320, 40.0, 0.9f, scratch.data()) > 0.95f);
  CHECK(quality(noise.data(), 320, 40.0, 0.0f, scratch.data()) < 0.4f);
  const std::vector<float> flat(320, 7.0f);
  CHECK_EQ(quality(flat.data(), 320, 40.0, 0.0f, scratch.data()), 0.0f);
  CHECK_EQ(quality(pulse.data(), 320, 40.0, 1.1f, scratch.data()), 0.0f);  // 2 high, in steps of 1.1
}

}  // namespace
