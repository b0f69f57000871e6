// Which samples may be used: everything that cannot be a pulse is stopped here, with its reason.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ppgfast/stream.hpp"

namespace ppgfast::stream {

class Gate {
 public:
  void init(const StreamConfig& config) noexcept {
    clip_low_ = config.clip_low, clip_high_ = config.clip_high;
    worn_low_ = config.worn_low, worn_high_ = config.worn_high;
    longest_run_ = std::max<std::int64_t>(2, static_cast<std::int64_t>(flat_seconds * config.sampling_rate));
  }

  Reason check(float sample) noexcept {
    const double x = static_cast<double>(sample);
    run_ = x == last_ ? run_ + 1 : 1;
    last_ = x;
    if (!(std::fabs(x) <= 3.5e38)) return Reason::gap;
    if (std::fabs(x) > largest) return Reason::out_of_range;
    if (x <= clip_low_ || x >= clip_high_) return Reason::clipped;
    if (x < worn_low_ || x > worn_high_) return Reason::off_wrist;
    return run_ > longest_run_ ? Reason::flat : Reason::ok;
  }

 private:
  static constexpr double largest = 1e9;       // no sensor counts further; squares of it stay finite
  static constexpr double flat_seconds = 0.5;  // no pulse stands still for so long

  double clip_low_ = 0.0, clip_high_ = 0.0, worn_low_ = 0.0, worn_high_ = 0.0;
  double last_ = 0.0;
  std::int64_t run_ = 0, longest_run_ = 0;
};

}  // namespace ppgfast::stream
