// What the NEON tables share: four registers of 4 floats make one V16; products use blocks of up to 5 rows x
// 16 outputs.

struct V16 {
  float32x4_t a, b, c, d;
};
struct Mask16 {
  uint32x4_t a, b, c, d;
};

inline V16 load(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
inline void store(float* p, V16 x) {
  vst1q_f32(p, x.a);
  vst1q_f32(p + 4, x.b);
  vst1q_f32(p + 8, x.c);
  vst1q_f32(p + 12, x.d);
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
inline V16 div(V16 x, V16 y) {
  return {vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c), vdivq_f32(x.d, y.d)};
}
inline V16 fma(V16 x, V16 y, V16 z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
          vfmaq_f32(z.d, x.d, y.d)};
}
inline V16 square_root(V16 x) { return {vsqrtq_f32(x.a), vsqrtq_f32(x.b), vsqrtq_f32(x.c), vsqrtq_f32(x.d)}; }
inline float square_root(float x) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0); }

inline V16 abs(V16 x) { return {vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d)}; }

// A comparison and a choice, as on x86: FMAX and FMIN treat NaN and -0 differently.
inline float32x4_t max(float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }
inline float32x4_t min(float32x4_t x, float32x4_t y) { return vbslq_f32(vcltq_f32(x, y), x, y); }
inline V16 max(V16 x, V16 y) { return {max(x.a, y.a), max(x.b, y.b), max(x.c, y.c), max(x.d, y.d)}; }
inline V16 min(V16 x, V16 y) { return {min(x.a, y.a), min(x.b, y.b), min(x.c, y.c), min(x.d, y.d)}; }

inline float fold_add(V16 x) {
  const float32x4_t s4 = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
  const float32x2_t s2 = vadd_f32(vget_low_f32(s4), vget_high_f32(s4));
  return vget_lane_f32(s2, 0) + vget_lane_f32(s2, 1);
}
inline float fold_max(V16 x) {
  const float32x4_t s4 = max(max(x.a, x.c), max(x.b, x.d));
  const float32x4_t s2 = max(s4, vextq_f32(s4, s4, 2));
  return vgetq_lane_f32(max(s2, vextq_f32(s2, s2, 1)), 0);
}

// The first `n` lanes all ones, the others zero.
inline Mask16 first(size_t n) {
  const uint32x4_t count = vdupq_n_u32(static_cast<uint32_t>(n < lanes ? n : lanes)), index = {0, 1, 2, 3};
  return {vcgtq_u32(count, index), vcgtq_u32(count, vaddq_u32(index, vdupq_n_u32(4))),
          vcgtq_u32(count, vaddq_u32(index, vdupq_n_u32(8))),
          vcgtq_u32(count, vaddq_u32(index, vdupq_n_u32(12)))};
}
inline V16 keep_or(Mask16 mask, V16 x, V16 y) {
  return {vbslq_f32(mask.a, x.a, y.a), vbslq_f32(mask.b, x.b, y.b), vbslq_f32(mask.c, x.c, y.c),
          vbslq_f32(mask.d, x.d, y.d)};
}
inline V16 keep(Mask16 mask, V16 x) { return keep_or(mask, x, set1(0.0f)); }

inline Mask16 greater(V16 x, V16 y) {
  return {vcgtq_f32(x.a, y.a), vcgtq_f32(x.b, y.b), vcgtq_f32(x.c, y.c), vcgtq_f32(x.d, y.d)};
}

inline float32x4_t exp2_of(float32x4_t shifted) {
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
  return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(127u << 23)));
}
inline V16 exp2_of(V16 x) { return {exp2_of(x.a), exp2_of(x.b), exp2_of(x.c), exp2_of(x.d)}; }
inline V16 swap_pairs(V16 x) {
  return {vrev64q_f32(x.a), vrev64q_f32(x.b), vrev64q_f32(x.c), vrev64q_f32(x.d)};
}

// Rows w, x, y, z -> out[j * stride + 0..3], one 4 x 4 block.
inline void store_transposed_4x4(float* out, size_t stride, float32x4_t w, float32x4_t x, float32x4_t y,
                                 float32x4_t z) {
  const float64x2_t wx_even = vreinterpretq_f64_f32(vtrn1q_f32(w, x)),
                    wx_odd = vreinterpretq_f64_f32(vtrn2q_f32(w, x));
  const float64x2_t yz_even = vreinterpretq_f64_f32(vtrn1q_f32(y, z)),
                    yz_odd = vreinterpretq_f64_f32(vtrn2q_f32(y, z));
  vst1q_f32(out, vreinterpretq_f32_f64(vtrn1q_f64(wx_even, yz_even)));
  vst1q_f32(out + stride, vreinterpretq_f32_f64(vtrn1q_f64(wx_odd, yz_odd)));
  vst1q_f32(out + 2 * stride, vreinterpretq_f32_f64(vtrn2q_f64(wx_even, yz_even)));
  vst1q_f32(out + 3 * stride, vreinterpretq_f32_f64(vtrn2q_f64(wx_odd, yz_odd)));
}
// r[i][j] -> out[j * stride + i]
inline void store_transposed(float* out, size_t stride, const V16 (&r)[lanes]) {
  for (size_t i = 0; i < lanes; i += 4) {
    const V16 &w = r[i], &x = r[i + 1], &y = r[i + 2], &z = r[i + 3];
    store_transposed_4x4(out + i, stride, w.a, x.a, y.a, z.a);
    store_transposed_4x4(out + 4 * stride + i, stride, w.b, x.b, y.b, z.b);
    store_transposed_4x4(out + 8 * stride + i, stride, w.c, x.c, y.c, z.c);
    store_transposed_4x4(out + 12 * stride + i, stride, w.d, x.d, y.d, z.d);
  }
}

constexpr int activation_offset = 0;

inline int16x4_t rounded(float32x4_t x) { return vmovn_s32(vcvtnq_s32_f32(x)); }
inline void store_s8(uint8_t* q, V16 x) {
  const int16x8_t low = vcombine_s16(rounded(x.a), rounded(x.b)),
                  high = vcombine_s16(rounded(x.c), rounded(x.d));
  vst1q_u8(q, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(low), vmovn_s16(high))));
}

#include "simd.inl"
#include "simd_quantize.inl"

constexpr size_t nr = 16;
constexpr size_t block_rows = 5;  // 20 sums, 4 registers of weights and 5 of inputs, of 32

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

// Cuts a product into blocks: run(p, row, rows) takes panel p against `rows` rows.
template <typename Run>
inline void for_blocks(size_t n_rows, size_t n_panels, Run run) {
  if (n_rows == 0) return;
  const size_t blocks = (n_rows + block_rows - 1) / block_rows;  // as even as they go: 9 = 5 + 4
  const size_t small = n_rows / blocks, larger = n_rows % blocks;
  for (size_t p = 0; p < n_panels; ++p) {
    size_t row = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const size_t rows = small + (b < larger);
      run(p, row, rows);
      row += rows;
    }
  }
}

// sum + x[lane] * w
template <int lane>
inline V16 fma_lane(float32x4_t x, V16 w, V16 sum) {
  return {vfmaq_laneq_f32(sum.a, w.a, x, lane), vfmaq_laneq_f32(sum.b, w.b, x, lane),
          vfmaq_laneq_f32(sum.c, w.c, x, lane), vfmaq_laneq_f32(sum.d, w.d, x, lane)};
}
template <int lane, int rows>
inline void fma_rows(const float32x4_t (&x)[rows], const float* w, V16 (&sum)[rows]) {
  const V16 weights = load(w + lane * nr);
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma_lane<lane>(x[r], weights, sum[r]);
}

// One panel against `rows` rows, four inputs at a time.
template <int rows>
void linear_block(const LinearF32& a, const float* x, const float* panel, float* y) {
  const size_t x_stride = a.x_stride;
  const V16 bias = load(panel);
  V16 sum[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = bias;

  const float* w = panel + nr;
  size_t k = 0;
  for (; k + 4 <= a.k; k += 4, w += 4 * nr) {
    float32x4_t four[rows];
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) four[r] = vld1q_f32(x + r * x_stride + k);
    fma_rows<0>(four, w, sum);
    fma_rows<1>(four, w, sum);
    fma_rows<2>(four, w, sum);
    fma_rows<3>(four, w, sum);
  }
  for (; k < a.k; ++k, w += nr) {
    const V16 weights = load(w);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(x[r * x_stride + k]), weights, sum[r]);
  }
  finish<rows>(sum, a.epilogue, y, a.y_stride);
}

// (rows, k) x (k, n) -> (rows, n)
void linear_f32(const LinearF32& a) {
  using Block = void (*)(const LinearF32&, const float* x, const float* panel, float* y);
  static constexpr Block blocks[block_rows] = {linear_block<1>, linear_block<2>, linear_block<3>,
                                               linear_block<4>, linear_block<5>};
  for_blocks(a.rows, a.n_panels, [&](size_t p, size_t row, size_t rows) {
    blocks[rows - 1](a, a.x + row * a.x_stride, a.panels + p * (nr + a.k * nr),
                     a.y + row * a.y_stride + p * nr);
  });
}

struct I16 {
  int32x4_t a, b, c, d;
};

// The same in int8. `Products` states its panels' kr and adds the products of all k inputs to the sums of
// `rows` rows.
template <typename Products, int rows>
void linear_s8_block(const LinearS8& a, const uint8_t* x, const float* x_scale, const uint8_t* panel,
                     float* y) {
  const int32x4_t zero = vdupq_n_s32(0);
  I16 sum[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = {zero, zero, zero, zero};
  Products::add(reinterpret_cast<const int8_t*>(x), quantized_stride(a.k), a.k,
                reinterpret_cast<const int8_t*>(panel + 3 * nr * sizeof(float)), sum);

  const float* bias = reinterpret_cast<const float*>(panel);
  V16 value[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    const V16 whole = {vcvtq_f32_s32(sum[r].a), vcvtq_f32_s32(sum[r].b), vcvtq_f32_s32(sum[r].c),
                       vcvtq_f32_s32(sum[r].d)};
    value[r] = fma(whole, mul(set1(x_scale[r]), load(bias + nr)), load(bias));
  }
  finish<rows>(value, a.epilogue, y, a.y_stride);
}

template <typename Products>
void linear_s8_f32(const LinearS8& a) {
  using Block =
      void (*)(const LinearS8&, const uint8_t* x, const float* x_scale, const uint8_t* panel, float* y);
  static constexpr Block blocks[block_rows] = {linear_s8_block<Products, 1>, linear_s8_block<Products, 2>,
                                               linear_s8_block<Products, 3>, linear_s8_block<Products, 4>,
                                               linear_s8_block<Products, 5>};
  const size_t panel_bytes = nr * (3 * sizeof(float) + round_up(a.k, Products::kr));
  for_blocks(a.rows, a.n_panels, [&](size_t p, size_t row, size_t rows) {
    blocks[rows - 1](a, a.x + row * quantized_stride(a.k), a.x_scale + row, a.panels + p * panel_bytes,
                     a.y + row * a.y_stride + p * nr);
  });
}

using Part = float32x4_t;
constexpr size_t parts = 4;
inline Part load_part(const float* p) { return vld1q_f32(p); }
inline Part sub(Part x, Part y) { return vsubq_f32(x, y); }
inline Part fma(Part x, Part y, Part z) { return vfmaq_f32(z, x, y); }
inline Part& part_of(V16& x, size_t i) { return i == 0 ? x.a : i == 1 ? x.b : i == 2 ? x.c : x.d; }

constexpr int strip_rows = 5;
constexpr int pair_rows = 4, pair_columns = 5;

#include "simd_losses.inl"
