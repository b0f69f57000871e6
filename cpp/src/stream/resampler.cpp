#include "stream/resampler.hpp"

#include <algorithm>
#include <cmath>

#include "stream/trigonometry.hpp"

namespace ppgfast::stream {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double kaiser_beta = 7.857;  // side lobes 80 dB down
constexpr std::uint64_t most_phases = 16;
constexpr std::uint64_t measured_steps = std::uint64_t{1} << 32;  // parts of a sample for measured rates

// The modified Bessel function of order 0, by its series: for 0 <= x <= 10 the terms fall from the 5th on.
double bessel_i0(double x) noexcept {
  double sum = 1.0, before = 0.0, term = 1.0;
  for (int k = 1; k < 6 || sum != before; ++k) {
    term *= x / (2.0 * k);
    before = sum;
    sum += term * term;
  }
  return sum;
}

}  // namespace

void Lowpass::design(float* table) noexcept {
  const double peak = bessel_i0(kaiser_beta);
  for (std::size_t i = 0; i < floats; ++i) {
    const double t = static_cast<double>(i) / steps, inside = t / crossings;
    if (i % steps == 0 || inside >= 1.0) {
      table[i] = i == 0 ? 1.0f : 0.0f;  // exact, so that equal rates give equal samples
      continue;
    }
    const double window = bessel_i0(kaiser_beta * std::sqrt(1.0 - inside * inside)) / peak;
    table[i] = static_cast<float>(sine_cosine_pi(t).sine / (pi * t) * window);
  }
}

// Continued fraction of x > 0.
Ratio nearest_ratio(double x) noexcept {
  std::uint64_t p = 1, q = 0, p_before = 0, q_before = 1;
  double rest = x;
  for (int terms = 0; terms < 40; ++terms) {
    const auto whole = static_cast<std::uint64_t>(rest);
    const std::uint64_t p_next = whole * p + p_before, q_next = whole * q + q_before;
    p_before = p, q_before = q, p = p_next, q = q_next;
    const double error = static_cast<double>(p) / static_cast<double>(q) - x;
    if (std::fabs(error) <= 1e-12 * x || q > (std::uint64_t{1} << 24)) break;
    rest = 1.0 / (rest - static_cast<double>(whole));
  }
  return {p, q};
}

std::size_t Resampler::reach(double rate_in, double rate_out) noexcept {
  const double squeeze = std::min(1.0, rate_out / rate_in);
  return static_cast<std::size_t>(std::ceil(Lowpass::crossings / squeeze));
}

bool Resampler::keeps_table(double rate_in, double rate_out, bool measured) noexcept {
  return measured || nearest_ratio(rate_in / rate_out).denominator > most_phases;
}

std::size_t Resampler::weight_doubles(double rate_in, double rate_out, std::size_t reach,
                                      bool measured) noexcept {
  const std::size_t taps = 2 * reach;
  const std::uint64_t phases = nearest_ratio(rate_in / rate_out).denominator;
  return !measured && phases <= most_phases ? static_cast<std::size_t>(phases) * taps : taps;
}

void Resampler::init(const float* table, float* memory, double* weights, std::size_t n_weights,
                     double rate_in, double rate_out, std::size_t reach, std::size_t delay) noexcept {
  table_ = table;
  weights_ = weights;
  reach_ = reach;
  delay_ = delay;
  squeeze_ = std::min(1.0, rate_out / rate_in);
  move_by(nearest_ratio(rate_in / rate_out));
  phases_ = n_weights == 2 * reach * step_.denominator ? step_.denominator : 0;
  for (std::uint64_t p = 0; p < phases_; ++p) {
    weigh(static_cast<double>(p) / static_cast<double>(phases_), weights + p * 2 * reach);
  }
  ring_.init(memory, reach + delay + 1);
  restart(0.0f, 0.0);
}

void Resampler::restart(float first, double offset) noexcept {
  ring_.fill(first);
  count_ = 0;
  // To the nearest phase: an accelerometer at its own rate starts between two of its samples.
  const auto steps = static_cast<std::uint64_t>(offset * static_cast<double>(step_.denominator) + 0.5);
  position_ = static_cast<std::int64_t>(steps / step_.denominator);
  remainder_ = steps % step_.denominator;
}

void Resampler::move_by(Ratio step) noexcept {
  step_ = step;
  whole_ = static_cast<std::int64_t>(step.numerator / step.denominator);
  rest_ = step.numerator % step.denominator;
}

void Resampler::set_step(double inputs) noexcept {
  if (step_.denominator != measured_steps) {
    remainder_ = static_cast<std::uint64_t>(fraction() * static_cast<double>(measured_steps));
  }
  phases_ = 0;
  move_by({static_cast<std::uint64_t>(inputs * static_cast<double>(measured_steps) + 0.5), measured_steps});
}

// Of x[position_ + 1 - reach_] ... x[position_ + reach_], for an output `fraction` after x[position_].
void Resampler::weigh(double fraction, double* weights) const noexcept {
  const double first = fraction + static_cast<double>(reach_ - 1);
  const double scale = squeeze_ * Lowpass::steps;
  double sum = 0.0;
  for (std::size_t k = 0; k < 2 * reach_; ++k) {
    const double t = std::fabs(first - static_cast<double>(k)) * scale;
    const auto i = static_cast<std::size_t>(t);
    const double low = static_cast<double>(table_[i]), high = static_cast<double>(table_[i + 1]);
    weights[k] = low + (t - static_cast<double>(i)) * (high - low);
    sum += weights[k];
  }
  // The gain at 0 Hz is 1 in every phase: raw samples sit on a large offset.
  for (std::size_t k = 0; k < 2 * reach_; ++k) weights[k] /= sum;
}

double Resampler::filtered() const noexcept {
  const auto ago =
      static_cast<std::size_t>(count_ - 1 - position_);  // the newest sample is number count_ - 1
  if (reach_ == 0) return static_cast<double>(*ring_.last(ago + 1));
  const double* weights = weights_ + (phases_ != 0 ? remainder_ * 2 * reach_ : 0);
  if (phases_ == 0) weigh(fraction(), weights_);
  const float* const x = ring_.last(ago + reach_);
  double even = 0.0, odd = 0.0;  // two sums, so that an addition need not wait for the one before it
  for (std::size_t k = 0; k < 2 * reach_; k += 2) {
    even += weights[k] * static_cast<double>(x[k]);
    odd += weights[k + 1] * static_cast<double>(x[k + 1]);
  }
  return even + odd;
}

double Resampler::pull() noexcept {
  const double y = filtered();
  position_ += whole_;
  remainder_ += rest_;
  if (remainder_ >= step_.denominator) ++position_, remainder_ -= step_.denominator;
  return y;
}

}  // namespace ppgfast::stream
