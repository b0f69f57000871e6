// Sine and cosine in double, the same bits on every platform: tables of a stream are computed where it runs.
#pragma once

namespace ppgfast::stream {

struct SineCosine {
  double sine, cosine;
};

// Of pi * x, |x| < 2^31. Taylor series on [-pi/4, pi/4]; the first terms left out are below 2e-18.
inline SineCosine sine_cosine_pi(double x) noexcept {
  constexpr double pi = 3.14159265358979323846;
  const auto n = static_cast<long long>(2.0 * x + (x < 0.0 ? -0.5 : 0.5));  // quarter turns
  const double r = pi * (x - 0.5 * static_cast<double>(n));
  const double w = r * r;
  double s = 1.0, c = 1.0;
  for (int k = 8; k > 0; --k) {
    s = 1.0 - w * s / (2.0 * k * (2.0 * k + 1.0));
    c = 1.0 - w * c / (2.0 * k * (2.0 * k - 1.0));
  }
  s *= r;
  switch (((n % 4) + 4) % 4) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace ppgfast::stream
