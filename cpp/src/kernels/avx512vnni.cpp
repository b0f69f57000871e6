// AVX-512 with VNNI (Ice Lake, Zen 4): four int8 products and their sum in one instruction.

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__) || \
    !defined(__AVX512VNNI__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
#endif

#include <stddef.h>
#include <stdint.h>

#include "avx512_intrinsics.hpp"
#include "constants.hpp"
#include "kernels.hpp"
#include "unroll.hpp"

namespace ppgfast::kernels {
namespace {

inline I16 dot(I16 sum, __m512i q, __m512i w) {
  return reinterpret_cast<I16>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), q, w));
}

#include "avx512.inl"

}  // namespace

const Kernels avx512vnni = {"avx512vnni", {nr, 1},        {nr, 4},     activation_offset, linear_f32,
                            quantize_s8,  linear_s8_f32,  rmsnorm_f32, attention_f32,     attention_step_f32,
                            head_f32,     morphology_f32, rhythm_f32};

}  // namespace ppgfast::kernels
