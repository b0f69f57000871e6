// MVE (Helium) of Cortex-M55 and M85: eight registers of 4 floats or 16 bytes; int8 by VMLADAVA, sixteen
// products and their sum in one instruction.
//
// The vector unit flushes subnormal numbers to zero, which the definition does not; but it says so in FPSCR.
// So a result counts only if nothing was flushed on its way, and else the scalar kernel makes it.

#if !defined(__ARM_FEATURE_MVE) || !(__ARM_FEATURE_MVE & 2)
#error "compile this file with -mcpu=cortex-m55"
#endif

#include <arm_mve.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "constants.hpp"
#include "kernels.hpp"
#include "unroll.hpp"

namespace ppgfast::kernels {
namespace {

constexpr uint32_t flush_flags = 1u << 7 | 1u << 3;  // of FPSCR: an input, a result was subnormal

inline void forget_flushes() {
  uint32_t fpscr;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr)::"memory");
  __asm__ volatile("vmsr fpscr, %0" ::"r"(fpscr & ~flush_flags) : "memory");
}
// Of everything that was stored before.
inline bool flushed() {
  uint32_t fpscr;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr)::"memory");
  return (fpscr & flush_flags) != 0;
}

struct V16 {
  float32x4_t a, b, c, d;
};
// On the way to x.
inline bool flushed(V16 x) {
  uint32_t fpscr;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr) : "w"(x.a), "w"(x.b), "w"(x.c), "w"(x.d));
  return (fpscr & flush_flags) != 0;
}
struct Mask16 {
  mve_pred16_t a, b, c, d;
};

inline V16 load(const float* p) {
  return {vldrwq_f32(p), vldrwq_f32(p + 4), vldrwq_f32(p + 8), vldrwq_f32(p + 12)};
}
inline void store(float* p, V16 x) {
  vstrwq_f32(p, x.a);
  vstrwq_f32(p + 4, x.b);
  vstrwq_f32(p + 8, x.c);
  vstrwq_f32(p + 12, x.d);
}
inline V16 set1(float x) {
  const float32x4_t v = vdupq_n_f32(x);
  return {v, v, v, v};
}
inline V16 add(V16 x, V16 y) {
  return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c), vaddq_f32(x.d, y.d)};
}
inline V16 sub(V16 x, V16 y) {
  return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c), vsubq_f32(x.d, y.d)};
}
inline V16 mul(V16 x, V16 y) {
  return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}
inline V16 fma(V16 x, V16 y, V16 z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
          vfmaq_f32(z.d, x.d, y.d)};
}
// There is no division of vectors.
inline float32x4_t div(float32x4_t x, float32x4_t y) {
  return float32x4_t{x[0] / y[0], x[1] / y[1], x[2] / y[2], x[3] / y[3]};
}
inline V16 div(V16 x, V16 y) { return {div(x.a, y.a), div(x.b, y.b), div(x.c, y.c), div(x.d, y.d)}; }
inline float square_root(float x) { return sqrtf(x); }

inline float32x4_t max(float32x4_t x, float32x4_t y) { return vpselq_f32(x, y, vcmpgtq_f32(x, y)); }
inline float32x4_t min(float32x4_t x, float32x4_t y) { return vpselq_f32(x, y, vcmpltq_f32(x, y)); }
inline V16 max(V16 x, V16 y) { return {max(x.a, y.a), max(x.b, y.b), max(x.c, y.c), max(x.d, y.d)}; }
inline V16 min(V16 x, V16 y) { return {min(x.a, y.a), min(x.b, y.b), min(x.c, y.c), min(x.d, y.d)}; }

inline float fold_add(V16 x) {
  const float32x4_t s4 = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
  return (s4[0] + s4[2]) + (s4[1] + s4[3]);
}

// The first `n` lanes all ones, the others zero.
inline Mask16 first(size_t n) {
  const auto lanes_of = [n](size_t begin) {
    return vctp32q(n > begin ? static_cast<uint32_t>(n - begin) : 0);
  };
  return {lanes_of(0), lanes_of(4), lanes_of(8), lanes_of(12)};
}
inline V16 keep_or(Mask16 mask, V16 x, V16 y) {
  return {vpselq_f32(x.a, y.a, mask.a), vpselq_f32(x.b, y.b, mask.b), vpselq_f32(x.c, y.c, mask.c),
          vpselq_f32(x.d, y.d, mask.d)};
}
inline V16 keep(Mask16 mask, V16 x) { return keep_or(mask, x, set1(0.0f)); }

inline float32x4_t exp2_of(float32x4_t shifted) {
  return vreinterpretq_f32_u32(vaddq_n_u32(vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23), 127u << 23));
}
inline V16 exp2_of(V16 x) { return {exp2_of(x.a), exp2_of(x.b), exp2_of(x.c), exp2_of(x.d)}; }
inline V16 swap_pairs(V16 x) {
  return {vrev64q_f32(x.a), vrev64q_f32(x.b), vrev64q_f32(x.c), vrev64q_f32(x.d)};
}

// r[i][j] -> out[j * stride + i]
inline void store_transposed(float* out, size_t stride, const V16 (&r)[lanes]) {
  const uint32x4_t rows = vmulq_n_u32(vidupq_n_u32(0, 1), static_cast<uint32_t>(stride));
  for (size_t i = 0; i < lanes; ++i, ++out) {
    vstrwq_scatter_shifted_offset_f32(out, rows, r[i].a);
    vstrwq_scatter_shifted_offset_f32(out + 4 * stride, rows, r[i].b);
    vstrwq_scatter_shifted_offset_f32(out + 8 * stride, rows, r[i].c);
    vstrwq_scatter_shifted_offset_f32(out + 12 * stride, rows, r[i].d);
  }
}

#if !defined(PPGFAST_NO_ATTENTION)
namespace vectors {
#include "simd.inl"
}

// Ops that leave their input as it was: the scalar kernel runs all of it again.
template <typename Op>
inline void run_exactly(void (*vectors)(const Op&), void (*definition)(const Op&), const Op& a) {
  forget_flushes();
  vectors(a);
  if (flushed()) definition(a);
}
void rmsnorm_f32(const RmsNormF32& a) { run_exactly(vectors::rmsnorm_f32, scalar.rmsnorm_f32, a); }
void attention_f32(const AttentionF32& a) { run_exactly(vectors::attention_f32, scalar.attention_f32, a); }
void attention_step_f32(const AttentionStepF32& a) {
  run_exactly(vectors::attention_step_f32, scalar.attention_step_f32, a);
}
void head_f32(const HeadF32& a) { run_exactly(vectors::head_f32, scalar.head_f32, a); }
#else
constexpr auto rmsnorm_f32 = nullptr, attention_f32 = nullptr, attention_step_f32 = nullptr,
               head_f32 = nullptr;
#endif

#include "mve_products.inl"

}  // namespace

const Kernels mve = {
    "mve",       {nr, 1},       {nr, kr_s8},        0,        linear_f32, quantize_s8, linear_s8_f32,
    rmsnorm_f32, attention_f32, attention_step_f32, head_f32, nullptr,    nullptr};

}  // namespace ppgfast::kernels
