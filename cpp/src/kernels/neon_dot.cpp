// NEON with SDOT (Cortex-A55, A75 and later): four int8 products and their sum in one instruction.

#if !defined(__aarch64__) || !defined(__ARM_FEATURE_DOTPROD)
#error "compile this file for 64-bit ARM with -march=armv8.2-a+dotprod"
#endif

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "constants.hpp"
#include "kernels.hpp"
#include "unroll.hpp"

namespace ppgfast::kernels {
namespace {

#include "neon.inl"

struct Products {
  static constexpr size_t kr = 4;

  // Sixteen outputs: the four inputs in one lane of q.
  template <int lane>
  static void dot(const int8_t* w, int8x16_t q, I16* sum) {
    sum->a = vdotq_laneq_s32(sum->a, vld1q_s8(w), q, lane);
    sum->b = vdotq_laneq_s32(sum->b, vld1q_s8(w + nr), q, lane);
    sum->c = vdotq_laneq_s32(sum->c, vld1q_s8(w + 2 * nr), q, lane);
    sum->d = vdotq_laneq_s32(sum->d, vld1q_s8(w + 3 * nr), q, lane);
  }

  template <int rows>
  static inline void add(const int8_t* x, size_t stride, size_t k, const int8_t* w, I16 (&sum)[rows]) {
    const size_t groups = (k + 3) / 4;
    size_t g = 0;
    for (; g + 4 <= groups; g += 4, w += 16 * nr) {
      int8x16_t q[rows];
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) q[r] = vld1q_s8(x + r * stride + 4 * g);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) dot<0>(w, q[r], &sum[r]);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) dot<1>(w + 4 * nr, q[r], &sum[r]);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) dot<2>(w + 8 * nr, q[r], &sum[r]);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) dot<3>(w + 12 * nr, q[r], &sum[r]);
    }
    for (; g < groups; ++g, w += 4 * nr) {
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) dot<0>(w, vld1q_s8(x + r * stride + 4 * g), &sum[r]);
    }
  }
};

}  // namespace

const Kernels neon_dot = {"neon_dot",    {nr, 1},     {nr, Products::kr},      activation_offset,
                          linear_f32,    quantize_s8, linear_s8_f32<Products>, rmsnorm_f32,
                          attention_f32, head_f32,    morphology_f32,          rhythm_f32};

}  // namespace ppgfast::kernels
