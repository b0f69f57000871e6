#include "cpu/features.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace ppgfast::cpu {

#if defined(__x86_64__) || defined(__i386__)

namespace {

constexpr unsigned bit(int n) { return 1u << n; }
constexpr bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }

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
  features.pclmul = has(c, bit(1));
  constexpr unsigned fma = bit(12), osxsave = bit(27), avx = bit(28);
  if (!has(c, osxsave | avx | fma)) return features;
  constexpr unsigned xmm_and_ymm = bit(1) | bit(2), masks_and_zmm = bit(5) | bit(6) | bit(7);
  const unsigned saved = xcr0();
  if (!has(saved, xmm_and_ymm)) return features;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return features;
  constexpr unsigned avx2 = bit(5), f = bit(16), dq = bit(17), bw = bit(30), vl = bit(31);
  features.avx2_fma = has(b, avx2);
  features.avx512 = features.avx2_fma && has(b, f | dq | bw | vl) && has(saved, masks_and_zmm);
  features.avx512_vnni = features.avx512 && has(c, bit(11));
  return features;
}

#elif defined(__aarch64__)

Features detect() noexcept {
  Features features;
#if defined(__linux__)
  const unsigned long capabilities = getauxval(AT_HWCAP);
  features.neon = (capabilities & HWCAP_ASIMD) != 0;
  features.neon_dot = (capabilities & HWCAP_ASIMDDP) != 0;
#else
  features.neon = true;  // elsewhere no 64-bit ARM comes without it
#endif
  return features;
}

#else

Features detect() noexcept { return Features(); }

#endif

}  // namespace ppgfast::cpu
