// Samples at one rate -> samples at another, in exact steps, by a windowed sinc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stream/ring.hpp"

namespace ppgfast::stream {

// A low-pass as a table: sinc(t) times a Kaiser window over 8 zero crossings to each side, 256 steps per
// crossing, linear between them. Flat within 1e-4 up to 0.69 of the lower Nyquist rate, 80 dB down from 1.31.
struct Lowpass {
  static constexpr int crossings = 8, steps = 256;
  static constexpr std::size_t floats = (crossings + 1) * steps + 2;  // ends in zeros
  static void design(float* table) noexcept;
};

// A ratio of two rates within 1e-12 of it: an error of 86 ns a day.
struct Ratio {
  std::uint64_t numerator, denominator;
};
Ratio nearest_ratio(double x) noexcept;

// Output k lies k * rate_in / rate_out input samples after the first input; before that one, the input is
// taken to have had its value. An output comes once the input is `delay()` samples past it.
class Resampler {
 public:
  // Input samples that the low-pass reaches to each side.
  static std::size_t reach(double rate_in, double rate_out) noexcept;
  static std::size_t memory_floats(std::size_t reach, std::size_t delay) noexcept {
    return Ring::floats(reach + delay + 1);
  }
  // Weights to remember: those of every phase if they are few and the ratio of the rates stays, else of one.
  static std::size_t weight_doubles(double rate_in, double rate_out, std::size_t reach,
                                    bool measured) noexcept;

  // Whether the table is needed after `init`.
  static bool keeps_table(double rate_in, double rate_out, bool measured) noexcept;

  // `table` is a Lowpass, `reach` what reach() says or 0 to pass samples on as they are, reach <= delay.
  // `memory` holds memory_floats, `weights` n_weights = weight_doubles.
  void init(const float* table, float* memory, double* weights, std::size_t n_weights, double rate_in,
            double rate_out, std::size_t reach, std::size_t delay) noexcept;

  // Forgets; the next output lies `offset` >= 0 input samples after the first, which is `first`.
  void restart(float first, double offset) noexcept;
  // From now on one output every `inputs` input samples, which a clock has measured.
  void set_step(double inputs) noexcept;

  void push(float x) noexcept {
    ring_.push(x);
    ++count_;
  }
  bool ready() const noexcept { return count_ > position_ + static_cast<std::int64_t>(delay_); }
  double pull() noexcept;

  // Where the next output lies, in input samples after the first: whole ones, and the rest as a share.
  std::int64_t position() const noexcept { return position_; }
  double fraction() const noexcept {
    return static_cast<double>(remainder_) / static_cast<double>(step_.denominator);
  }

 private:
  double filtered() const noexcept;
  void weigh(double fraction, double* weights) const noexcept;
  void move_by(Ratio step) noexcept;

  const float* table_ = nullptr;
  Ring ring_;
  double* weights_ = nullptr;  // (phases, 2 reach_), or (1, 2 reach_) as scratch memory
  std::uint64_t phases_ = 0;   // 0: weights are made for each output
  std::size_t reach_ = 0, delay_ = 0;
  double squeeze_ = 1.0;  // zero crossings of the sinc per input sample
  Ratio step_ = {1, 1};   // input samples from one output to the next:
  std::int64_t whole_ = 1;
  std::uint64_t rest_ = 0;  // and the rest, in 1 / step_.denominator
  std::int64_t count_ = 0, position_ = 0;
  std::uint64_t remainder_ = 0;  // of the position, in 1 / step_.denominator
};

}  // namespace ppgfast::stream
