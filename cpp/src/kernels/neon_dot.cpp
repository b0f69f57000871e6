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

  // Sixteen outputs of each row: the four inputs in one lane of q.
  template <int lane, int rows>
  static inline void dot(const int8_t* w, const int8x16_t (&q)[rows], I16 (&sum)[rows]) {
    w += lane * 4 * nr;
    const int8x16_t a = vld1q_s8(w), b = vld1q_s8(w + nr), c = vld1q_s8(w + 2 * nr), d = vld1q_s8(w + 3 * nr);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      sum[r].a = vdotq_laneq_s32(sum[r].a, a, q[r], lane);
      sum[r].b = vdotq_laneq_s32(sum[r].b, b, q[r], lane);
      sum[r].c = vdotq_laneq_s32(sum[r].c, c, q[r], lane);
      sum[r].d = vdotq_laneq_s32(sum[r].d, d, q[r], lane);
    }
  }

  // Sixteen inputs at a time, in four groups; rows are padded to that, weights to one group.
  template <int rows>
  static inline void add(const int8_t* x, size_t stride, size_t k, const int8_t* w, I16 (&sum)[rows]) {
    const size_t groups = (k + kr - 1) / kr;
    int8x16_t q[rows];
    size_t g = 0;
    for (; g + 4 <= groups; g += 4, x += 16, w += 16 * nr) {
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) q[r] = vld1q_s8(x + r * stride);
      dot<0>(w, q, sum);
      dot<1>(w, q, sum);
      dot<2>(w, q, sum);
      dot<3>(w, q, sum);
    }
    if (g == groups) return;
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) q[r] = vld1q_s8(x + r * stride);
    dot<0>(w, q, sum);
    if (g + 1 < groups) dot<1>(w, q, sum);
    if (g + 2 < groups) dot<2>(w, q, sum);
  }
};

}  // namespace

const Kernels neon_dot = {"neon_dot",
                          {nr, 1},
                          {nr, Products::kr},
                          activation_offset,
                          linear_f32,
                          quantize_s8,
                          linear_s8_f32<Products>,
                          rmsnorm_f32,
                          attention_f32,
                          attention_step_f32,
                          head_f32,
                          morphology_f32,
                          rhythm_f32};

}  // namespace ppgfast::kernels
