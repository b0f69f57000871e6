// The intrinsics of AVX-512, without the alarm that GCC 12 raises over its own _mm512_undefined_ps.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <stdint.h>

namespace ppgfast::kernels {

// 16 int32. Sums kept as __m512i, which is 8 int64 to GCC, are copied and spilt at every instruction.
typedef int32_t I16 __attribute__((vector_size(64)));

}  // namespace ppgfast::kernels
