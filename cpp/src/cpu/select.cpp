#include "cpu/select.hpp"

#include <cstring>

namespace ppgfast::cpu {

std::size_t candidates(const Features& features, Candidate (&out)[max_candidates]) noexcept {
  std::size_t n = 0;
#if defined(PPGFAST_HAVE_AVX512VNNI)
  out[n++] = {&kernels::avx512vnni, features.avx512 && features.avx512_vnni};
#endif
#if defined(PPGFAST_HAVE_AVX512)
  // Before avx2 also where a 512-bit instruction takes two cycles (Zen 4): there the wider blocks alone win
  // 10 % at 9 rows, 5 % at 31 and 2-3 % in batches; nowhere was it slower.
  out[n++] = {&kernels::avx512, features.avx512};
#endif
#if defined(PPGFAST_HAVE_AVX2)
  out[n++] = {&kernels::avx2, features.avx2_fma};
#endif
#if defined(PPGFAST_HAVE_NEON_DOT)
  out[n++] = {&kernels::neon_dot, features.neon && features.neon_dot};
#endif
#if defined(PPGFAST_HAVE_NEON)
  out[n++] = {&kernels::neon, features.neon};
#endif
#if defined(PPGFAST_HAVE_MVE)
  out[n++] = {&kernels::mve, true};  // a microcontroller is known when its firmware is built
#endif
  (void)features;
  out[n++] = {&kernels::scalar, true};
  return n;
}

Error select(const Features& features, const char* forced, const kernels::Kernels** out) noexcept {
  Candidate candidate[max_candidates];
  const std::size_t n = candidates(features, candidate);
  const bool any = forced == nullptr || forced[0] == '\0';
  Error error;
  for (std::size_t i = 0; i < n; ++i) {
    if (any ? !candidate[i].supported : std::strcmp(candidate[i].table->name, forced) != 0) continue;
    if (candidate[i].supported) {
      *out = candidate[i].table;
      return error;
    }
    error.status = Status::unsupported_isa;
    std::strncpy(error.name, forced, sizeof(error.name) - 1);
    return error;
  }
  error.status = Status::unknown_isa;
  std::strncpy(error.name, forced, sizeof(error.name) - 1);
  return error;
}

}  // namespace ppgfast::cpu
