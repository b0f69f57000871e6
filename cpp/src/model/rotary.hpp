// Sine and cosine with the same bits on every machine, unlike those of the C library.
#pragma once

namespace ppgfast {

// For 0 <= angle <= 1e6 (radians); error below 1e-10, far under half a unit of float32.
void sine_cosine(double angle, float* sine, float* cosine) noexcept;

}  // namespace ppgfast
