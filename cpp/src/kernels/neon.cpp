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
        // Step by step for all sixteen outputs, so that a core that executes in order need not wait. Two
        // products of bytes in [-127, 127] fit into 16 bits.
        int16x8_t a = vmull_s8(vget_low_s8(w0_ab), q0), b = vmull_s8(vget_high_s8(w0_ab), q0),
                  c = vmull_s8(vget_low_s8(w0_cd), q0), d = vmull_s8(vget_high_s8(w0_cd), q0);
        a = vmlal_s8(a, vget_low_s8(w1_ab), q1);
        b = vmlal_s8(b, vget_high_s8(w1_ab), q1);
        c = vmlal_s8(c, vget_low_s8(w1_cd), q1);
        d = vmlal_s8(d, vget_high_s8(w1_cd), q1);
        sum[r].a = vpadalq_s16(sum[r].a, a);
        sum[r].b = vpadalq_s16(sum[r].b, b);
        sum[r].c = vpadalq_s16(sum[r].c, c);
        sum[r].d = vpadalq_s16(sum[r].d, d);
      }
    }
  }
};

}  // namespace

const Kernels neon = {"neon",
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
