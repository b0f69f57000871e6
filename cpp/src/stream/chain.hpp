// Raw PPG -> the signal that windows of a model are cut from: resampled, band-passed, upright. A stream and
// `prepare`, which takes a whole recording, run this same code.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ppgfast/model.hpp"
#include "stream/arena.hpp"
#include "stream/band_pass.hpp"
#include "stream/resampler.hpp"

namespace ppgfast::stream {

class Chain {
 public:
  // `rate`: of the input, Hz. `delay`: input samples to wait at least before an output. `measured`: the rate
  // will be corrected, so that even equal rates need the low-pass.
  void init(const ModelConfig& model, double rate, bool measured, std::size_t delay, const float* table,
            Arena& arena) noexcept {
    const bool same = rate == model.sampling_rate && !measured;
    const std::size_t reach = same ? 0 : Resampler::reach(rate, model.sampling_rate);
    delay_ = std::max(reach, delay);
    float* const memory = arena.take<float>(Resampler::memory_floats(reach, delay_));
    const std::size_t n_weights = Resampler::weight_doubles(rate, model.sampling_rate, reach, measured);
    double* const weights = arena.take<double>(n_weights);
    if (memory == nullptr) return;
    resampler_.init(table, memory, weights, n_weights, rate, model.sampling_rate, reach, delay_);
    filtered_ = model.filter_order > 0 ? 1 : 0;
    if (filtered_ != 0) {
      band_pass_.design(model.filter_order, model.filter_low, model.filter_high, model.sampling_rate);
    }
    polarity_ = static_cast<double>(model.polarity);
  }

  // Starts at the sample `first`, which is pushed next. A band-pass takes the signal to have had its value
  // for ever: raw samples sit on an offset a thousand times the pulse.
  void restart(float first) noexcept {
    resampler_.restart(first, 0.0);
    band_pass_.restart();
    offset_ = filtered_ != 0 ? static_cast<double>(first) : 0.0;
  }
  void push(float x) noexcept { resampler_.push(x); }
  bool ready() const noexcept { return resampler_.ready(); }
  float pull() noexcept {
    const double x = polarity_ * (resampler_.pull() - offset_);
    return static_cast<float>(filtered_ != 0 ? band_pass_.step(x) : x);
  }
  // The other way through the same band-pass, in place: then no frequency of a window comes later than
  // another.
  void filter_backwards(float* window, std::size_t n) const noexcept {
    BandPass back = band_pass_;
    back.restart();
    while (n-- > 0) window[n] = static_cast<float>(back.step(static_cast<double>(window[n])));
  }

  Resampler& resampler() noexcept { return resampler_; }
  std::size_t delay() const noexcept { return delay_; }

 private:
  Resampler resampler_;
  BandPass band_pass_;
  double offset_ = 0.0, polarity_ = 1.0;
  std::uint64_t filtered_ = 0;
  std::size_t delay_ = 0;
};

// Outputs after the start of a stretch in which the band-pass still settles: one period of its lower edge,
// after which windows differ by 0.2 % (median, RMS) from those of a filter that has run for ever.
inline std::uint32_t settling_outputs(const ModelConfig& model) noexcept {
  if (model.filter_order == 0) return 0;
  return static_cast<std::uint32_t>(std::ceil(model.sampling_rate / model.filter_low));
}

}  // namespace ppgfast::stream
