// NEON of 64-bit ARM. 32-bit ARM keeps to the scalar table: its NEON flushes subnormals to zero, always, and
// so cannot return the same bits.

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "compile this file for 64-bit ARM with NEON"
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
  static constexpr size_t kr = 2;

  // Four outputs: two inputs each of q0 and of q1. Two products of bytes in [-127, 127] fit into 16 bits.
  static int32x4_t dot(int32x4_t sum, int8x8_t w0, int8x8_t q0, int8x8_t w1, int8x8_t q1) {
    return vpadalq_s16(sum, vmlal_s8(vmull_s8(w0, q0), w1, q1));
  }
  // Four inputs. Loaded as a float they need not pass through a general register.
  static int16x4_t four(const int8_t* q) {
    float bytes;
    __builtin_memcpy(&bytes, q, sizeof(bytes));
    return vreinterpret_s16_f32(vdup_n_f32(bytes));
  }

  template <int rows>
  static inline void add(const int8_t* x, size_t stride, size_t k, const int8_t* w, I16 (&sum)[rows]) {
    const size_t pairs = (k + 1) / 2;
    for (size_t g = 0; g < pairs; g += 2, x += 4, w += 4 * nr) {
      // Without a second pair its weights are the first's, and its inputs lie in the row's zero padding.
      const int8_t* w1 = g + 1 < pairs ? w + 2 * nr : w;
      const int8x16_t w0_ab = vld1q_s8(w), w0_cd = vld1q_s8(w + nr), w1_ab = vld1q_s8(w1),
                      w1_cd = vld1q_s8(w1 + nr);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
        const int16x4_t q = four(x + r * stride);
        const int8x8_t q0 = vreinterpret_s8_s16(vdup_lane_s16(q, 0)),
                       q1 = vreinterpret_s8_s16(vdup_lane_s16(q, 1));
        sum[r].a = dot(sum[r].a, vget_low_s8(w0_ab), q0, vget_low_s8(w1_ab), q1);
        sum[r].b = dot(sum[r].b, vget_high_s8(w0_ab), q0, vget_high_s8(w1_ab), q1);
        sum[r].c = dot(sum[r].c, vget_low_s8(w0_cd), q0, vget_low_s8(w1_cd), q1);
        sum[r].d = dot(sum[r].d, vget_high_s8(w0_cd), q0, vget_high_s8(w1_cd), q1);
      }
    }
  }
};

}  // namespace

const Kernels neon = {"neon",        {nr, 1},     {nr, Products::kr},      activation_offset,
                      linear_f32,    quantize_s8, linear_s8_f32<Products>, rmsnorm_f32,
                      attention_f32, head_f32,    morphology_f32,          rhythm_f32};

}  // namespace ppgfast::kernels
