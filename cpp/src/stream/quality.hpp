// How much a window looks like a pulse.
#pragma once

#include <cstddef>

namespace ppgfast::stream {

// The largest autocorrelation of the window (n samples at `rate` Hz) at a lag between two beats, 30 to 220
// bpm, where it is a local maximum: 1 for a signal that repeats exactly, near 0 for one without period.
// `step`: the smallest that two samples differed by. A window not two steps high holds what rounding left of
// a drift, which repeats too: 0. `scratch`: quality_scratch(n) floats.
constexpr std::size_t quality_scratch(std::size_t n) { return n + 12; }
float quality(const float* window, std::size_t n, double rate, float step, float* scratch) noexcept;

}  // namespace ppgfast::stream
