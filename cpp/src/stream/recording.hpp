// A whole recording off line: what training did to the signal, which no stream can, for it needs the future.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppgfast::stream {

// Samples that `resample` writes: as many as fit into the time of n input samples.
std::size_t resampled_length(double rate_in, double rate_out, std::size_t n) noexcept;

// x (n, finite) at rate_in Hz -> out (resampled_length) at rate_out Hz, out[k] at k / rate_out s after x[0],
// by the low-pass of Resampler; both ends are continued by point reflection. False if there is no memory.
bool resample(const float* x, std::size_t n, double rate_in, double rate_out, float* out) noexcept;

// x (n, finite) through a Butterworth band-pass (BandPass::design) forwards and backwards: no phase, and the
// square of its gain. Both ends are continued by their mirror image over three periods of `low`. `out` (n)
// may be x. False if there is no memory.
bool band_pass(const float* x, std::size_t n, double rate, double low, double high, std::uint32_t order,
               float* out) noexcept;

}  // namespace ppgfast::stream
