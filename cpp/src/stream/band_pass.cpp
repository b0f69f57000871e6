#include "stream/band_pass.hpp"

#include <cmath>
#include <initializer_list>

#include "stream/trigonometry.hpp"

namespace ppgfast::stream {
namespace {

struct Complex {
  double re, im;
};

Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
Complex operator/(Complex a, Complex b) {
  const double n = b.re * b.re + b.im * b.im;
  return {(a.re * b.re + a.im * b.im) / n, (a.im * b.re - a.re * b.im) / n};
}

// The root with a positive real part.
Complex square_root(Complex a) {
  const double size = std::sqrt(a.re * a.re + a.im * a.im);
  const double re = std::sqrt(std::fmax(0.0, 0.5 * (size + a.re)));
  const double im = std::sqrt(std::fmax(0.0, 0.5 * (size - a.re)));
  return {re, a.im < 0.0 ? -im : im};
}

// From the analog plane to the z plane, with the frequency axis bent as tan(pi f / rate).
Complex bilinear(Complex s) { return (Complex{1.0, 0.0} + s) / (Complex{1.0, 0.0} - s); }

double bent(double frequency, double rate) {
  const SineCosine at = sine_cosine_pi(frequency / rate);
  return at.sine / at.cosine;
}

constexpr double tiny = 1e-30;  // a state below is 0: subnormal numbers are slow on some CPUs

}  // namespace

void BandPass::add(double a1, double a2, double centre_real, double centre_imaginary) noexcept {
  const Complex back = Complex{1.0, 0.0} / Complex{centre_real, centre_imaginary}, back_2 = back * back;
  const Complex below = Complex{1.0, 0.0} + Complex{a1, 0.0} * back + Complex{a2, 0.0} * back_2;
  const Complex above = Complex{1.0, 0.0} - back_2;
  const double gain =
      std::sqrt((below.re * below.re + below.im * below.im) / (above.re * above.re + above.im * above.im));
  section_[count_++] = {gain, a1, a2, 0.0, 0.0};
}

void BandPass::design(std::uint32_t order, double low, double high, double rate) noexcept {
  const double a = bent(low, rate), b = bent(high, rate);
  const double half_width = 0.5 * (b - a), centre_squared = a * b;
  const Complex centre = bilinear({0.0, std::sqrt(centre_squared)});
  count_ = 0;
  // Poles of the low-pass prototype in the upper half plane; each becomes two of the band-pass, and each of
  // those with its conjugate a section.
  for (std::uint32_t k = 0; k < order / 2; ++k) {
    const SineCosine angle = sine_cosine_pi((2.0 * k + 1.0 + order) / (2.0 * order));
    const Complex p = {half_width * angle.cosine, half_width * angle.sine};
    const Complex root = square_root(p * p - Complex{centre_squared, 0.0});
    for (const Complex pole : {bilinear(p + root), bilinear(p - root)}) {
      add(-2.0 * pole.re, pole.re * pole.re + pole.im * pole.im, centre.re, centre.im);
    }
  }
  if (order % 2 == 1) {  // the real pole: two poles that are conjugates, or both real if the band is wide
    const Complex p = {-half_width, 0.0};
    const Complex root = square_root(p * p - Complex{centre_squared, 0.0});
    const Complex one = bilinear(p + root), other = bilinear(p - root);
    const Complex product = one * other;
    add(-(one.re + other.re), product.re, centre.re, centre.im);
  }
}

void BandPass::restart() noexcept {
  for (std::uint64_t i = 0; i < count_; ++i) section_[i].state_1 = section_[i].state_2 = 0.0;
}

double BandPass::step(double x) noexcept {
  for (std::uint64_t i = 0; i < count_; ++i) {
    Section& s = section_[i];
    const double in = s.gain * x;
    const double y = in + s.state_1;
    s.state_1 = s.state_2 - s.a1 * y;
    s.state_2 = -in - s.a2 * y;
    s.state_1 = std::fabs(s.state_1) < tiny ? 0.0 : s.state_1;
    s.state_2 = std::fabs(s.state_2) < tiny ? 0.0 : s.state_2;
    x = y;
  }
  return x;
}

}  // namespace ppgfast::stream
