// A signal without the platform's mathematics, and one number for all that a stream says of it: the same on
// every CPU, with every compiler and every kernel table. Needs no memory, so that a microcontroller can run
// it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "ppgfast/stream.hpp"
#include "stream/trigonometry.hpp"

namespace fixed_signal {

// The same numbers on every platform.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 33);
  }
  std::size_t below(std::size_t n) { return next() % n; }
  double uniform() { return next() / 2147483648.0; }  // 0 to 1

 private:
  std::uint64_t state_;
};

inline double sine(double turns) { return ppgfast::stream::sine_cosine_pi(2.0 * turns).sine; }

// A pulse, a sample lost after a third of the time, time stamps with jitter.
class Ppg {
 public:
  Ppg(double rate, double seconds) : rate_(rate), n_(static_cast<std::size_t>(seconds * rate)) {}
  std::size_t size() const { return n_; }
  // The next sample; its time stamp in `time`.
  float next(double* time) {
    const double t = static_cast<double>(i_) / rate_;
    *time = t * 1.003 + 0.01 * random_.uniform();
    const double x = 1e5 + 500.0 * sine(0.25 * t) + 300.0 * sine(1.3 * t) + 90.0 * sine(2.6 * t);
    return i_++ == n_ / 3 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(x);
  }

 private:
  double rate_;
  std::size_t n_, i_ = 0;
  Random random_{9};
};

// FNV-1a over the bytes of results.
class Hash {
 public:
  void add(const ppgfast::StreamResult& r) {
    bytes(r.t_start), bytes(r.t_end), bytes(r.sample), bytes(r.quality), bytes(r.reason);
    answer(r.hr_bpm), answer(r.hr_std), answer(r.af_probability);
  }
  std::uint64_t value() const { return value_; }

 private:
  void answer(float x) {
    if (!std::isnan(x)) bytes(x);  // there are many NaN
  }
  template <typename T>
  void bytes(const T& value) {
    unsigned char all[sizeof(value)];
    std::memcpy(all, &value, sizeof(value));
    for (const unsigned char byte : all) value_ = (value_ ^ byte) * 1099511628211u;
  }

  std::uint64_t value_ = 14695981039346656037u;
};

}  // namespace fixed_signal
