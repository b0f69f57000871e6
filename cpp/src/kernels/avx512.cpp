// AVX-512 as of Skylake: F, BW, DQ and VL.

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

#include <stddef.h>
#include <stdint.h>

#include "avx512_intrinsics.hpp"
#include "constants.hpp"
#include "kernels.hpp"
#include "unroll.hpp"

namespace ppgfast::kernels {
namespace {

// Pairs are summed in 16 bits, exactly for weights within pair_limit, pairs of pairs in 32.
inline I16 dot(I16 sum, __m512i q, __m512i w) {
  return sum + reinterpret_cast<I16>(_mm512_madd_epi16(_mm512_maddubs_epi16(q, w), _mm512_set1_epi16(1)));
}

#include "avx512.inl"

}  // namespace

const Kernels avx512 = {"avx512",    {nr, 1},        {nr, 4},     activation_offset, linear_f32,
                        quantize_s8, linear_s8_f32,  rmsnorm_f32, attention_f32,     attention_step_f32,
                        head_f32,    morphology_f32, rhythm_f32};

}  // namespace ppgfast::kernels
