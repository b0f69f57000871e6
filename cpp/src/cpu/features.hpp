// What this CPU and its operating system can run.
#pragma once

namespace ppgfast::cpu {

struct Features {
  bool avx2_fma = false;  // AVX2 and FMA, with the operating system saving the 256-bit registers
};

// Any doubt means the baseline. Never fails.
Features detect() noexcept;

}  // namespace ppgfast::cpu
