#include "model/rotary.hpp"

namespace ppgfast {
namespace {

// Taylor series on [-pi/4, pi/4]; the first term left out is below 1e-13.
double sine_near_zero(double x) noexcept {
  const double w = x * x;
  double p = -1.0 / 39916800.0;
  p = 1.0 / 362880.0 + w * p;
  p = -1.0 / 5040.0 + w * p;
  p = 1.0 / 120.0 + w * p;
  p = -1.0 / 6.0 + w * p;
  return x + x * (w * p);
}

double cosine_near_zero(double x) noexcept {
  const double w = x * x;
  double p = 1.0 / 479001600.0;
  p = -1.0 / 3628800.0 + w * p;
  p = 1.0 / 40320.0 + w * p;
  p = -1.0 / 720.0 + w * p;
  p = 1.0 / 24.0 + w * p;
  p = -1.0 / 2.0 + w * p;
  return 1.0 + w * p;
}

}  // namespace

void sine_cosine(double angle, float* sine, float* cosine) noexcept {
  constexpr double half_pi_high = 1.57079632673412561417e+00;  // 33 bits: n * half_pi_high is exact
  constexpr double half_pi_low = 6.07710050650619224932e-11;
  const auto n = static_cast<long long>(angle * 0.63661977236758134308 + 0.5);
  const double r = (angle - static_cast<double>(n) * half_pi_high) - static_cast<double>(n) * half_pi_low;
  const double s = sine_near_zero(r), c = cosine_near_zero(r);
  switch (n % 4) {
    case 0:
      *sine = static_cast<float>(s), *cosine = static_cast<float>(c);
      break;
    case 1:
      *sine = static_cast<float>(c), *cosine = static_cast<float>(-s);
      break;
    case 2:
      *sine = static_cast<float>(-s), *cosine = static_cast<float>(-c);
      break;
    default:
      *sine = static_cast<float>(-c), *cosine = static_cast<float>(s);
      break;
  }
}

}  // namespace ppgfast
