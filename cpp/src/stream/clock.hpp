// Sample numbers -> time: by the rate stated, or by time stamps smoothed by a delay-locked loop.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ppgfast::stream {

class Clock {
 public:
  void init(double rate, double jitter) noexcept {
    nominal_ = period_ = 1.0 / rate;
    jitter_ = jitter;
    const double omega = 2.0 * 3.14159265358979323846 * bandwidth * nominal_;
    pull_ = 1.41421356237309505 * omega;
    drift_ = omega * omega;
  }

  enum class Stamp { on_time, jump, none };

  // Takes the time stamp of the next sample. `jump`: it is further from where it was due than jitter
  // explains; `lost` samples are missing before it, and time starts anew. `none`: it is no number.
  Stamp accept(double time, std::int64_t* lost) noexcept {
    *lost = 0;
    ++received_;
    if (!(std::fabs(time) <= latest)) {
      due_ += period_;
      return Stamp::none;
    }
    const double error = time - due_;
    if (received_ > 1 && std::fabs(error) > jitter_) {
      *lost = error > 0.0 ? static_cast<std::int64_t>(std::fmin(error / period_ + 0.5, longest_gap)) : 0;
      due_ = time + period_;
      return Stamp::jump;
    }
    const bool first = received_ == 1;
    period_ = first ? period_ : std::min(std::max(period_ + drift_ * error, 0.5 * nominal_), 2.0 * nominal_);
    due_ = first ? time + period_ : due_ + pull_ * error + period_;
    ++settled_;
    return Stamp::on_time;
  }

  double period() const noexcept { return period_; }  // s
  double due() const noexcept { return due_; }        // time of the next sample, s

  // The rate that the time stamps show, Hz; 0 until the loop has settled.
  double measured_rate() const noexcept {
    return static_cast<double>(settled_) * nominal_ < settling_time ? 0.0 : 1.0 / period_;
  }

 private:
  static constexpr double bandwidth = 0.05;      // Hz: jitter faster than this is smoothed away
  static constexpr double settling_time = 20.0;  // s
  static constexpr double latest = 1e15;         // s
  static constexpr double longest_gap = 1e15;    // samples

  double nominal_ = 0.0, period_ = 0.0, jitter_ = 0.0, pull_ = 0.0, drift_ = 0.0;
  double due_ = 0.0;
  std::int64_t received_ = 0, settled_ = 0;
};

}  // namespace ppgfast::stream
