// AVX2 and FMA: two registers of 8 floats make one V16; products use blocks of up to 6 rows x 16 outputs.

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "constants.hpp"
#include "kernels.hpp"
#include "unroll.hpp"

namespace ppgfast::kernels {
namespace {

struct V16 {
  __m256 lo, hi;
};

inline V16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, V16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline V16 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline V16 add(V16 a, V16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline V16 sub(V16 a, V16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline V16 mul(V16 a, V16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline V16 div(V16 a, V16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline V16 abs(V16 a) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  return {_mm256_and_ps(a.lo, magnitude), _mm256_and_ps(a.hi, magnitude)};
}
inline V16 max(V16 a, V16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline V16 min(V16 a, V16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline V16 fma(V16 a, V16 b, V16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline V16 square_root(V16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline float square_root(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

inline float fold_add(V16 a) {
  const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
inline float fold_max(V16 a) {
  const __m256 s8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

// The first `n` lanes all ones, the others zero.
inline V16 first(size_t n) {
  const __m256i count = _mm256_set1_epi32(static_cast<int>(n < lanes ? n : lanes));
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))),
          _mm256_castsi256_ps(_mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)))};
}
inline V16 keep(V16 mask, V16 a) { return {_mm256_and_ps(mask.lo, a.lo), _mm256_and_ps(mask.hi, a.hi)}; }
inline V16 keep_or(V16 mask, V16 a, V16 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, mask.lo), _mm256_blendv_ps(b.hi, a.hi, mask.hi)};
}

inline V16 greater(V16 a, V16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ)};
}

inline __m256 exp2_of(__m256 shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(127 << 23)));
}
inline V16 exp2_of(V16 shifted) { return {exp2_of(shifted.lo), exp2_of(shifted.hi)}; }
inline V16 swap_pairs(V16 a) { return {_mm256_permute_ps(a.lo, 0xB1), _mm256_permute_ps(a.hi, 0xB1)}; }

// r[i][j] -> out[j * stride + i] for one 8 x 8 block.
inline void store_transposed_8x8(float* out, size_t stride, const __m256 (&r)[8]) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xEE);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * stride, _mm256_permute2f128_ps(b[i], b[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * stride, _mm256_permute2f128_ps(b[i], b[i + 4], 0x31));
  }
}
inline void store_transposed(float* out, size_t stride, const V16 (&r)[lanes]) {
  for (int i = 0; i < 16; i += 8) {
    __m256 lo[8], hi[8];
    for (int j = 0; j < 8; ++j) {
      lo[j] = r[i + j].lo;
      hi[j] = r[i + j].hi;
    }
    store_transposed_8x8(out + i, stride, lo);
    store_transposed_8x8(out + 8 * stride + i, stride, hi);
  }
}

constexpr int activation_offset = 127;  // q + 127 in [0, 254]: the unsigned operand of _mm256_maddubs_epi16

inline void store_s8(uint8_t* q, V16 a) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xD8);
  const __m256i offset = _mm256_add_epi16(ordered, _mm256_set1_epi16(activation_offset));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q),
                   _mm_packus_epi16(_mm256_castsi256_si128(offset), _mm256_extracti128_si256(offset, 1)));
}

#include "simd.inl"
#include "simd_quantize.inl"

constexpr size_t nr = 16;
constexpr int block_rows = 6;  // 12 accumulators, two weight vectors and a broadcast fill the 16 registers

template <int rows>
inline void finish(V16 (&sum)[rows], Epilogue epilogue, float* y, size_t y_stride) {
  if (epilogue == Epilogue::residual || epilogue == Epilogue::residual_relu) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = add(load(y + r * y_stride), sum[r]);
  }
  if (epilogue == Epilogue::relu || epilogue == Epilogue::residual_relu) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = max(sum[r], set1(0.0f));
  }
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) store(y + r * y_stride, sum[r]);
}

// One panel against `rows` rows. The first block of a panel also fetches the next panel: at T = 9 a panel is
// used only twice, so its first use must not wait for the cache below.
template <int rows, bool fetch_next>
inline void linear_block(const LinearF32& a, const float* x, const float* panel, float* y) {
  const size_t x_stride = a.x_stride, y_stride = a.y_stride, K = a.k;
  const float* next = panel + nr + K * nr;
  const V16 bias = load(panel);
  V16 sum[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = bias;

  const float* w = panel + nr;
  for (size_t k = 0; k < K; ++k, w += nr) {
    if (fetch_next) _mm_prefetch(reinterpret_cast<const char*>(next + k * nr), _MM_HINT_T0);
    const V16 weights = load(w);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(x[r * x_stride + k]), weights, sum[r]);
  }
  finish<rows>(sum, a.epilogue, y, y_stride);
}

template <bool fetch_next>
inline void linear_rows(const LinearF32& a, int rows, const float* x, const float* panel, float* y) {
  switch (rows) {
    case 1:
      linear_block<1, fetch_next>(a, x, panel, y);
      break;
    case 2:
      linear_block<2, fetch_next>(a, x, panel, y);
      break;
    case 3:
      linear_block<3, fetch_next>(a, x, panel, y);
      break;
    case 4:
      linear_block<4, fetch_next>(a, x, panel, y);
      break;
    case 5:
      linear_block<5, fetch_next>(a, x, panel, y);
      break;
    default:
      linear_block<6, fetch_next>(a, x, panel, y);
      break;
  }
}

// (rows, k) x (k, n) -> (rows, n)
void linear_f32(const LinearF32& a) {
  if (a.rows == 0) return;
  // Rows split as evenly as they go: 9 = 5 + 4, 31 = 6 + 5 + 5 + 5 + 5 + 5, so no block is left with too few
  // accumulators to hide the latency of the multiply-add.
  const size_t blocks = (a.rows + block_rows - 1) / block_rows;
  const size_t small = a.rows / blocks, larger = a.rows % blocks;
  for (size_t p = 0; p < a.n_panels; ++p) {
    const float* panel = a.panels + p * (nr + a.k * nr);
    const float* x = a.x;
    float* y = a.y + p * nr;
    for (size_t b = 0; b < blocks; ++b) {
      const int rows = static_cast<int>(small + (b < larger));
      if (b == 0) {
        linear_rows<true>(a, rows, x, panel, y);
      } else {
        linear_rows<false>(a, rows, x, panel, y);
      }
      x += static_cast<size_t>(rows) * a.x_stride;
      y += static_cast<size_t>(rows) * a.y_stride;
    }
  }
}

// The same in int8. Per group of four inputs: unsigned times signed bytes, pairs summed in 16 bits (exact,
// for pair_limit), pairs of pairs in 32.
template <int rows, bool fetch_next>
inline void linear_s8_block(const LinearS8& a, const uint8_t* x, const float* x_scale, const uint8_t* panel,
                            float* y) {
  const size_t stride = quantized_stride(a.k), groups = (a.k + 3) / 4;
  const __m256i ones = _mm256_set1_epi16(1);
  const float* bias = reinterpret_cast<const float*>(panel);
  const __m256i* correction = reinterpret_cast<const __m256i*>(panel + 2 * nr * sizeof(float));
  const __m256i start[2] = {_mm256_sub_epi32(_mm256_setzero_si256(), _mm256_loadu_si256(correction)),
                            _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_loadu_si256(correction + 1))};
  __m256i lo[rows], hi[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) lo[r] = start[0], hi[r] = start[1];

  const uint8_t* w = panel + 3 * nr * sizeof(float);
  const uint8_t* next = w + groups * 4 * nr;
  for (size_t g = 0; g < groups; ++g, w += 4 * nr) {
    if (fetch_next) _mm_prefetch(reinterpret_cast<const char*>(next + g * 4 * nr), _MM_HINT_T0);
    const __m256i w_lo = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
    const __m256i w_hi = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + 32));
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, x + r * stride + 4 * g, sizeof(four));
      const __m256i q = _mm256_set1_epi32(four);
      lo[r] = _mm256_add_epi32(lo[r], _mm256_madd_epi16(_mm256_maddubs_epi16(q, w_lo), ones));
      hi[r] = _mm256_add_epi32(hi[r], _mm256_madd_epi16(_mm256_maddubs_epi16(q, w_hi), ones));
    }
  }
  const V16 biases = load(bias), scales = load(bias + nr);
  V16 sum[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    sum[r] =
        fma({_mm256_cvtepi32_ps(lo[r]), _mm256_cvtepi32_ps(hi[r])}, mul(set1(x_scale[r]), scales), biases);
  }
  finish<rows>(sum, a.epilogue, y, a.y_stride);
}

template <bool fetch_next>
inline void linear_s8_rows(const LinearS8& a, int rows, const uint8_t* x, const float* x_scale,
                           const uint8_t* panel, float* y) {
  switch (rows) {
    case 1:
      linear_s8_block<1, fetch_next>(a, x, x_scale, panel, y);
      break;
    case 2:
      linear_s8_block<2, fetch_next>(a, x, x_scale, panel, y);
      break;
    case 3:
      linear_s8_block<3, fetch_next>(a, x, x_scale, panel, y);
      break;
    case 4:
      linear_s8_block<4, fetch_next>(a, x, x_scale, panel, y);
      break;
    default:
      linear_s8_block<5, fetch_next>(a, x, x_scale, panel, y);
      break;
  }
}

void linear_s8_f32(const LinearS8& a) {
  if (a.rows == 0) return;
  constexpr size_t most_rows = 5;  // two registers are needed for products on their way to the sums
  const size_t blocks = (a.rows + most_rows - 1) / most_rows;
  const size_t small = a.rows / blocks, larger = a.rows % blocks;
  const size_t stride = quantized_stride(a.k), panel_bytes = nr * (3 * sizeof(float) + round_up(a.k, 4));
  for (size_t p = 0; p < a.n_panels; ++p) {
    const uint8_t* panel = a.panels + p * panel_bytes;
    size_t row = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const size_t rows = small + (b < larger);
      float* y = a.y + row * a.y_stride + p * nr;
      if (b == 0) {
        linear_s8_rows<true>(a, static_cast<int>(rows), a.x + row * stride, a.x_scale + row, panel, y);
      } else {
        linear_s8_rows<false>(a, static_cast<int>(rows), a.x + row * stride, a.x_scale + row, panel, y);
      }
      row += rows;
    }
  }
}

using Part = __m256;
constexpr size_t parts = 2;
inline Part load_part(const float* p) { return _mm256_loadu_ps(p); }
inline Part sub(Part a, Part b) { return _mm256_sub_ps(a, b); }
inline Part fma(Part a, Part b, Part c) { return _mm256_fmadd_ps(a, b, c); }
inline Part& part_of(V16& a, size_t i) { return i == 0 ? a.lo : a.hi; }

constexpr int strip_rows = 6;                   // 12 accumulators, as in linear_f32
constexpr int pair_rows = 3, pair_columns = 4;  // 12 accumulators of half the lanes

#include "simd_losses.inl"

}  // namespace

const Kernels avx2 = {"avx2",      {nr, 1},        {nr, 4},     activation_offset, linear_f32,
                      quantize_s8, linear_s8_f32,  rmsnorm_f32, attention_f32,     attention_step_f32,
                      head_f32,    morphology_f32, rhythm_f32};

}  // namespace ppgfast::kernels
