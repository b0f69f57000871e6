// What tests of kernels share: the tables, inputs that are hard, and memory that notices a stray write.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/select.hpp"
#include "kernels/kernels.hpp"
#include "pages.hpp"

namespace kernel_cases {

using namespace ppgfast::kernels;

// Tables of this build that this CPU runs, but for the scalar one.
inline std::vector<const Kernels*> tables() {
  ppgfast::cpu::Candidate candidate[ppgfast::cpu::max_candidates];
  const std::size_t n = ppgfast::cpu::candidates(ppgfast::cpu::detect(), candidate);
  std::vector<const Kernels*> found;
  for (std::size_t i = 0; i < n; ++i) {
    if (candidate[i].supported && candidate[i].table != &scalar) found.push_back(candidate[i].table);
  }
  return found;
}

enum class Fill { zero, one, alternating, huge, tiny, ramp, random, wild };  // wild: any finite number
constexpr Fill fills[] = {Fill::zero, Fill::one,  Fill::alternating, Fill::huge,
                          Fill::tiny, Fill::ramp, Fill::random,      Fill::wild};

// Floats between canaries, ending `shift` floats before a page that nobody may touch: a read or a write
// beyond the end is a crash, a write before the start is seen by intact(). A multiple of 16 floats starts at
// 64 bytes, less the shift.
class Guarded {
 public:
  explicit Guarded(std::size_t n, std::size_t shift = 0) : n_(n), pages_((zone + n + shift) * sizeof(float)) {
    block_ = reinterpret_cast<float*>(pages_.begin());
    block_floats_ = static_cast<std::size_t>(pages_.end() - pages_.begin()) / sizeof(float);
    start_ = block_floats_ - shift - n;
    std::fill_n(block_ + start_ - zone, zone, canary);
    std::fill_n(block_ + start_ + n, shift, canary);
  }

  float* data() { return block_ + start_; }
  bool intact() const {
    const auto untouched = [](float x) { return x == canary; };
    return std::all_of(block_ + start_ - zone, block_ + start_, untouched) &&
           std::all_of(block_ + start_ + n_, block_ + block_floats_, untouched);
  }
  void fill(Fill how, std::mt19937& random) {
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < n_; ++i) {
      const float sign = i % 2 == 0 ? 1.0f : -1.0f;
      switch (how) {
        case Fill::zero:
          data()[i] = 0.0f;
          break;
        case Fill::one:
          data()[i] = 1.0f;
          break;
        case Fill::alternating:
          data()[i] = sign;
          break;
        case Fill::huge:
          data()[i] = sign * 1e15f;
          break;
        case Fill::tiny:
          data()[i] = sign * 1e-40f;
          break;
        case Fill::ramp:
          data()[i] = static_cast<float>(i % 251) - 125.0f;
          break;
        case Fill::random:
          data()[i] = normal(random);
          break;
        case Fill::wild:
          do {
            const auto bits = static_cast<std::uint32_t>(random());
            std::memcpy(data() + i, &bits, sizeof(bits));
          } while (!std::isfinite(data()[i]));
          break;
      }
    }
  }

 private:
  static constexpr float canary = 12345.678f;
  static constexpr std::size_t zone = 32;
  std::size_t n_, start_, block_floats_;
  Pages pages_;
  float* block_;
};

// Bit for bit, but for NaN: which of its many patterns comes out is up to the processor.
inline bool same_bits(const float* a, const float* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const bool both_nan = std::isnan(a[i]) && std::isnan(b[i]);
    if (!both_nan && std::memcmp(a + i, b + i, sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace kernel_cases
