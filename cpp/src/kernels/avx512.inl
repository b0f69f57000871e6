// What the AVX-512 tables share: one register is one V16; products use blocks of up to 12 rows x 2 panels of
// 16 outputs. A file that includes this, inside its anonymous namespace, has defined
//   dot(sum, q, w): to each of 16 int32 its four products of an unsigned byte of q and a signed one of w.

using V16 = __m512;

inline V16 load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, V16 a) { _mm512_storeu_ps(p, a); }
inline V16 set1(float x) { return _mm512_set1_ps(x); }
inline V16 add(V16 a, V16 b) { return _mm512_add_ps(a, b); }
inline V16 sub(V16 a, V16 b) { return _mm512_sub_ps(a, b); }
inline V16 mul(V16 a, V16 b) { return _mm512_mul_ps(a, b); }
inline V16 div(V16 a, V16 b) { return _mm512_div_ps(a, b); }
inline V16 abs(V16 a) { return _mm512_abs_ps(a); }
inline V16 max(V16 a, V16 b) { return _mm512_max_ps(a, b); }
inline V16 min(V16 a, V16 b) { return _mm512_min_ps(a, b); }
inline V16 fma(V16 a, V16 b, V16 c) { return _mm512_fmadd_ps(a, b, c); }
inline V16 square_root(V16 a) { return _mm512_sqrt_ps(a); }
inline float square_root(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

inline float fold_add(V16 a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
inline float fold_max(V16 a) {
  const __m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

// The first `n` lanes.
inline __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << (n < lanes ? n : lanes)) - 1); }
inline V16 keep(__mmask16 mask, V16 a) { return _mm512_maskz_mov_ps(mask, a); }
inline V16 keep_or(__mmask16 mask, V16 a, V16 b) { return _mm512_mask_mov_ps(b, mask, a); }

inline __mmask16 greater(V16 a, V16 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }

inline V16 exp2_of(V16 shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(127 << 23)));
}
inline V16 swap_pairs(V16 a) { return _mm512_permute_ps(a, 0xB1); }

// r[i][j] -> out[j * stride + i]: 4 x 4 blocks within the 128-bit quarters, then the quarters themselves.
inline void store_transposed(float* out, size_t stride, const V16 (&r)[lanes]) {
  V16 a[16], b[16];
  PPGFAST_UNROLL for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  PPGFAST_UNROLL for (int i = 0; i < 16; i += 4) {  // b[i + c]: column c of each quarter, rows i..i + 3
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xEE);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
  }
  PPGFAST_UNROLL for (int c = 0; c < 4; ++c) {
    const V16 even_top = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88),
              odd_top = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xDD);
    const V16 even_low = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
    const V16 odd_low = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xDD);
    store(out + c * stride, _mm512_shuffle_f32x4(even_top, even_low, 0x88));
    store(out + (4 + c) * stride, _mm512_shuffle_f32x4(odd_top, odd_low, 0x88));
    store(out + (8 + c) * stride, _mm512_shuffle_f32x4(even_top, even_low, 0xDD));
    store(out + (12 + c) * stride, _mm512_shuffle_f32x4(odd_top, odd_low, 0xDD));
  }
}

constexpr int activation_offset = 127;  // q + 127 in [0, 254]: the instructions want one operand unsigned

inline void store_s8(uint8_t* q, V16 a) {
  const __m512i offset = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(activation_offset));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtepi32_epi8(offset));
}

#include "simd.inl"
#include "simd_quantize.inl"

constexpr size_t nr = 16;
constexpr size_t block_rows = 12;  // x 2 panels: 24 sums, two registers of weights and one input, of 32

inline void fetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

// One pointer for three rows: a pointer for each would not fit into the registers.
template <typename T, int rows>
struct Rows {
  static constexpr int n = (rows + 2) / 3;
  const T* triple[n];
  size_t stride;

  Rows(const T* x, size_t row_stride) : stride(row_stride) {
    PPGFAST_UNROLL for (int i = 0; i < n; ++i) triple[i] = x + 3 * i * stride;
  }
  const T* operator[](int r) const { return triple[r / 3] + r % 3 * stride; }
  void advance(size_t by) { PPGFAST_UNROLL for (int i = 0; i < n; ++i) triple[i] += by; }
};

template <int rows, int panels>
inline void finish(V16 (&sum)[panels][rows], Epilogue epilogue, float* y, size_t y_stride) {
  const bool add_old = epilogue == Epilogue::residual || epilogue == Epilogue::residual_relu;
  const bool relu = epilogue == Epilogue::relu || epilogue == Epilogue::residual_relu;
  PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      float* out = y + r * y_stride + p * nr;
      if (add_old) sum[p][r] = add(load(out), sum[p][r]);
      if (relu) sum[p][r] = max(sum[p][r], set1(0.0f));
      store(out, sum[p][r]);
    }
  }
}

// `panels` panels against `rows` rows, and on the way the next panels into the cache: at T = 9 weights are
// used once, so the first use must not wait.
template <int rows, int panels>
void linear_block(const LinearF32& a, const float* x, const float* panel, float* y) {
  const size_t panel_floats = nr + a.k * nr;
  V16 sum[panels][rows];
  PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
    const V16 bias = load(panel + p * panel_floats);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[p][r] = bias;
  }
  Rows<float, rows> in(x, a.x_stride);
  const float* w = panel + nr;
  const float* next = w + panels * panel_floats;
  for (size_t k = 0; k < a.k; ++k, w += nr, next += nr) {
    V16 weights[panels];
    PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
      fetch(next + p * panel_floats);
      weights[p] = load(w + p * panel_floats);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      const V16 value = set1(*in[r]);
      PPGFAST_UNROLL for (int p = 0; p < panels; ++p) sum[p][r] = fma(value, weights[p], sum[p][r]);
    }
    in.advance(1);
  }
  finish<rows, panels>(sum, a.epilogue, y, a.y_stride);
}

// The same in int8, four inputs at a time.
template <int rows, int panels>
void linear_s8_block(const LinearS8& a, const uint8_t* x, const float* x_scale, const uint8_t* panel,
                     float* y) {
  const size_t groups = (a.k + 3) / 4, panel_bytes = nr * (3 * sizeof(float) + 4 * groups);
  I16 sum[panels][rows];
  PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
    const __m512i correction = _mm512_loadu_si512(panel + p * panel_bytes + 2 * nr * sizeof(float));
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[p][r] = -reinterpret_cast<I16>(correction);
  }
  Rows<uint8_t, rows> in(x, quantized_stride(a.k));
  const uint8_t* w = panel + 3 * nr * sizeof(float);
  const uint8_t* next = w + panels * panel_bytes;
  for (size_t g = 0; g < groups; ++g, w += 4 * nr, next += 4 * nr) {
    __m512i weights[panels];
    PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
      fetch(next + p * panel_bytes);
      weights[p] = _mm512_loadu_si512(w + p * panel_bytes);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      int32_t four;
      __builtin_memcpy(&four, in[r], sizeof(four));
      const __m512i q = _mm512_set1_epi32(four);
      PPGFAST_UNROLL for (int p = 0; p < panels; ++p) sum[p][r] = dot(sum[p][r], q, weights[p]);
    }
    in.advance(4);
  }
  V16 value[panels][rows];
  PPGFAST_UNROLL for (int p = 0; p < panels; ++p) {
    const float* bias = reinterpret_cast<const float*>(panel + p * panel_bytes);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      const V16 scale = mul(set1(x_scale[r]), load(bias + nr));
      value[p][r] = fma(_mm512_cvtepi32_ps(reinterpret_cast<__m512i>(sum[p][r])), scale, load(bias));
    }
  }
  finish<rows, panels>(value, a.epilogue, y, a.y_stride);
}

using LinearBlock = void (*)(const LinearF32&, const float* x, const float* panel, float* y);
template <int panels>
constexpr LinearBlock linear_blocks[block_rows] = {
    linear_block<1, panels>, linear_block<2, panels>,  linear_block<3, panels>,  linear_block<4, panels>,
    linear_block<5, panels>, linear_block<6, panels>,  linear_block<7, panels>,  linear_block<8, panels>,
    linear_block<9, panels>, linear_block<10, panels>, linear_block<11, panels>, linear_block<12, panels>};

using LinearS8Block = void (*)(const LinearS8&, const uint8_t* x, const float* x_scale, const uint8_t* panel,
                               float* y);
template <int panels>
constexpr LinearS8Block linear_s8_blocks[block_rows] = {
    linear_s8_block<1, panels>,  linear_s8_block<2, panels>,  linear_s8_block<3, panels>,
    linear_s8_block<4, panels>,  linear_s8_block<5, panels>,  linear_s8_block<6, panels>,
    linear_s8_block<7, panels>,  linear_s8_block<8, panels>,  linear_s8_block<9, panels>,
    linear_s8_block<10, panels>, linear_s8_block<11, panels>, linear_s8_block<12, panels>};

// Cuts a product into blocks: run(p, pair, row, rows) takes panel p, and p + 1 if `pair`, against `rows`
// rows.
template <typename Run>
inline void for_blocks(size_t n_rows, size_t n_panels, Run run) {
  if (n_rows == 0) return;
  const size_t blocks = (n_rows + block_rows - 1) / block_rows;  // as even as they go: 31 = 11 + 10 + 10
  const size_t small = n_rows / blocks, larger = n_rows % blocks;
  for (size_t p = 0; p < n_panels; p += 2) {
    size_t row = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const size_t rows = small + (b < larger);
      run(p, p + 2 <= n_panels, row, rows);
      row += rows;
    }
  }
}

// (rows, k) x (k, n) -> (rows, n)
void linear_f32(const LinearF32& a) {
  for_blocks(a.rows, a.n_panels, [&](size_t p, bool pair, size_t row, size_t rows) {
    const LinearBlock block = pair ? linear_blocks<2>[rows - 1] : linear_blocks<1>[rows - 1];
    block(a, a.x + row * a.x_stride, a.panels + p * (nr + a.k * nr), a.y + row * a.y_stride + p * nr);
  });
}

void linear_s8_f32(const LinearS8& a) {
  const size_t panel_bytes = nr * (3 * sizeof(float) + round_up(a.k, 4));
  for_blocks(a.rows, a.n_panels, [&](size_t p, bool pair, size_t row, size_t rows) {
    const LinearS8Block block = pair ? linear_s8_blocks<2>[rows - 1] : linear_s8_blocks<1>[rows - 1];
    block(a, a.x + row * quantized_stride(a.k), a.x_scale + row, a.panels + p * panel_bytes,
          a.y + row * a.y_stride + p * nr);
  });
}

using Part = V16;
constexpr size_t parts = 1;
inline Part load_part(const float* p) { return load(p); }
inline Part& part_of(V16& a, size_t) { return a; }

constexpr int strip_rows = 12;
constexpr int pair_rows = 4, pair_columns = 5;

#include "simd_losses.inl"
