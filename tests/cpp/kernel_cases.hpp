// What tests of kernels share: the tables, inputs that are hard, and memory that notices a stray write.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/select.hpp"
#include "kernels/kernels.hpp"

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

enum class Fill { zero, one, alternating, huge, tiny, ramp, random };
constexpr Fill fills[] = {Fill::zero, Fill::one,  Fill::alternating, Fill::huge,
                          Fill::tiny, Fill::ramp, Fill::random};

// Floats with a guard zone on both sides, starting `shift` floats after a 64-byte boundary.
class Guarded {
 public:
  explicit Guarded(std::size_t n, std::size_t shift = 0) : n_(n), block_(n + 2 * zone + 16 + shift, canary) {
    const auto address = reinterpret_cast<std::uintptr_t>(block_.data());
    start_ = (64 - address % 64) % 64 / sizeof(float) + zone + shift;
    std::fill_n(data(), n_, 0.0f);
  }
  float* data() { return block_.data() + start_; }
  bool intact() const {
    for (std::size_t i = 0; i < block_.size(); ++i) {
      if ((i < start_ || i >= start_ + n_) && block_[i] != canary) return false;
    }
    return true;
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
      }
    }
  }

 private:
  static constexpr float canary = 12345.678f;
  static constexpr std::size_t zone = 32;
  std::size_t n_, start_;
  std::vector<float> block_;
};

inline bool same_bits(const float* a, const float* b, std::size_t n) {
  return std::memcmp(a, b, n * sizeof(float)) == 0;
}

}  // namespace kernel_cases
