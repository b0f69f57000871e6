// What this CPU and its operating system can run.
#pragma once

namespace ppgfast::cpu {

struct Features {
  bool pclmul = false;       // products without carries of 64 bits, PCLMULQDQ
  bool avx2_fma = false;     // AVX2 and FMA, with the operating system saving the 256-bit registers
  bool avx512 = false;       // F, BW, DQ and VL, with the mask and 512-bit registers saved too
  bool avx512_vnni = false;  // its int8 products
  bool neon = false;         // Advanced SIMD of 64-bit ARM
  bool neon_dot = false;     // its int8 products, SDOT
};

// Any doubt means the baseline. Never fails.
Features detect() noexcept;

}  // namespace ppgfast::cpu
