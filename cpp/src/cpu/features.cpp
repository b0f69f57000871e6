#include "cpu/features.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace ppgfast::cpu {

#if defined(__x86_64__) || defined(__i386__)

namespace {

constexpr unsigned bit(int n) { return 1u << n; }

// The register sets that the operating system saves on a context switch.
unsigned xcr0() noexcept {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

Features detect() noexcept {
  Features features;
  unsigned a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return features;
  const bool osxsave = (c & bit(27)) != 0, avx = (c & bit(28)) != 0, fma = (c & bit(12)) != 0;
  if (!osxsave || !avx) return features;
  constexpr unsigned xmm_and_ymm = bit(1) | bit(2);
  if ((xcr0() & xmm_and_ymm) != xmm_and_ymm) return features;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return features;
  features.avx2_fma = fma && (b & bit(5)) != 0;
  return features;
}

#else

Features detect() noexcept { return Features(); }

#endif

}  // namespace ppgfast::cpu
