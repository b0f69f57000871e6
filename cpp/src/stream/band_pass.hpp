// A Butterworth band-pass as second-order sections, sample by sample in double.
#pragma once

#include <cstdint>

namespace ppgfast::stream {

class BandPass {
 public:
  static constexpr std::uint32_t highest_order = 16;

  // 0 < low < high < rate / 2 in Hz, 1 <= order <= highest_order. Its gain is 1 at the centre of the band.
  void design(std::uint32_t order, double low, double high, double rate) noexcept;

  void restart() noexcept;  // as if the input had always been 0
  double step(double x) noexcept;

 private:
  // gain (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2), in the transposed direct form II.
  struct Section {
    double gain, a1, a2, state_1, state_2;
  };
  void add(double a1, double a2, double centre_real, double centre_imaginary) noexcept;

  std::uint64_t count_ = 0;
  Section section_[highest_order] = {};
};

}  // namespace ppgfast::stream
