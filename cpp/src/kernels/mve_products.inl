// Products by MVE. A panel's sixteen outputs are finished together, in one V16, in float32 as in int8.

constexpr size_t nr = 16, kr_s8 = 16;

inline V16 finished(V16 sum, Epilogue epilogue, const float* y) {
  if (epilogue == Epilogue::residual || epilogue == Epilogue::residual_relu) sum = add(load(y), sum);
  if (epilogue == Epilogue::relu || epilogue == Epilogue::residual_relu) sum = max(sum, set1(0.0f));
  return sum;
}

// (rows, k) x (k, n) -> (rows, n)
void linear_f32(const LinearF32& a) {
  const size_t panel_floats = nr + a.k * nr;
  forget_flushes();
  for (size_t p = 0; p < a.n_panels; ++p) {
    const float* const panel = a.panels + p * panel_floats;
    for (size_t row = 0; row < a.rows; ++row) {
      const float* const x = a.x + row * a.x_stride;
      float* const y = a.y + row * a.y_stride + p * nr;
      V16 sum = load(panel);
      const float* w = panel + nr;
      for (size_t k = 0; k < a.k; ++k, w += nr) {
        sum.a = vfmaq_n_f32(sum.a, vldrwq_f32(w), x[k]);
        sum.b = vfmaq_n_f32(sum.b, vldrwq_f32(w + 4), x[k]);
        sum.c = vfmaq_n_f32(sum.c, vldrwq_f32(w + 8), x[k]);
        sum.d = vfmaq_n_f32(sum.d, vldrwq_f32(w + 12), x[k]);
      }
      sum = finished(sum, a.epilogue, y);
      if (!flushed(sum)) {
        store(y, sum);
        continue;
      }
      scalar.linear_f32({x, a.x_stride, 1, a.k, panel, 1, y, a.y_stride, a.epilogue});
      forget_flushes();
    }
  }
}

// x (rows, k) -> q (rows, k) as int8, scale (rows). Here a subnormal number may become zero: it rounds to it.
void quantize_s8(const QuantizeS8& a) {
  const size_t stride = quantized_stride(a.k), fours = a.k / 4;
  const mve_pred16_t rest = vctp32q(static_cast<uint32_t>(a.k % 4));
  const float32x4_t lowest = vdupq_n_f32(-127.0f);  // where NaN goes; nothing else is out of range
  for (size_t row = 0; row < a.rows; ++row) {
    const float* const x = a.x + row * a.x_stride;
    float32x4_t highest = vdupq_n_f32(0.0f);  // of the magnitudes; NaN is passed over
    for (size_t i = 0; i < fours; ++i) highest = vmaxnmaq_f32(highest, vldrwq_f32(x + 4 * i));
    const float32x4_t last = vldrwq_z_f32(x + 4 * fours, rest);
    const float largest = vmaxnmvq_f32(0.0f, vmaxnmaq_f32(highest, last));
    const bool usable = largest > quantize_lowest;
    const float inverse = usable ? 127.0f / largest : 0.0f;
    a.scale[row] = usable ? largest / 127.0f : 0.0f;

    auto* q = reinterpret_cast<int8_t*>(a.q + row * stride);
    const auto put = [&](float32x4_t four) {
      vstrbq_s32(q, vcvtnq_s32_f32(vmaxnmq_f32(vmulq_n_f32(four, inverse), lowest)));
      q += 4;
    };
    for (size_t i = 0; i < fours; ++i) put(vldrwq_f32(x + 4 * i));
    if (a.k % 4 != 0) put(last);
    for (const auto* const end = reinterpret_cast<int8_t*>(a.q + (row + 1) * stride); q < end; q += 4) {
      vstrbq_s32(q, vdupq_n_s32(0));
    }
  }
}

// `groups` groups of 16 inputs of `rows` rows, which stay in registers, with sixteen outputs: sum (rows, 16)
template <int rows, int groups>
void add_products(const int8_t* x, size_t stride, const int8_t* w, int32_t* sum) {
  int8x16_t q[rows][groups];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    PPGFAST_UNROLL for (int g = 0; g < groups; ++g) q[r][g] = vldrbq_s8(x + r * stride + g * kr_s8);
  }
  for (size_t n = 0; n < nr; ++n, w += kr_s8) {
    int32_t s[rows];
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) s[r] = sum[r * nr + n];
    PPGFAST_UNROLL for (int g = 0; g < groups; ++g) {
      const int8x16_t weights = vldrbq_s8(w + g * nr * kr_s8);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) s[r] = vmladavaq_s8(s[r], q[r][g], weights);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r * nr + n] = s[r];
  }
}

// As the definition says it, where the vector unit flushed something.
void finish_scalar(const int32_t* sum, const float* panel, float x_scale, Epilogue epilogue, float* y) {
  const bool adds = epilogue == Epilogue::residual || epilogue == Epilogue::residual_relu;
  const bool cuts = epilogue == Epilogue::relu || epilogue == Epilogue::residual_relu;
  for (size_t n = 0; n < nr; ++n) {
    const float value = fmaf(static_cast<float>(sum[n]), x_scale * panel[nr + n], panel[n]);
    const float whole = adds ? y[n] + value : value;
    y[n] = cuts && !(whole > 0.0f) ? 0.0f : whole;
  }
}

inline V16 to_float(const int32_t* x) {
  return {vcvtq_f32_s32(vldrwq_s32(x)), vcvtq_f32_s32(vldrwq_s32(x + 4)), vcvtq_f32_s32(vldrwq_s32(x + 8)),
          vcvtq_f32_s32(vldrwq_s32(x + 12))};
}

template <int rows>
void linear_s8_rows(const LinearS8& a, size_t p, size_t row) {
  const size_t stride = quantized_stride(a.k), groups = (a.k + kr_s8 - 1) / kr_s8;
  const uint8_t* const packed = a.panels + p * nr * (12 + groups * kr_s8);
  const auto* const panel = reinterpret_cast<const float*>(packed);
  const auto* w = reinterpret_cast<const int8_t*>(packed + 12 * nr);
  const auto* x = reinterpret_cast<const int8_t*>(a.x + row * stride);
  alignas(16) int32_t sum[rows * nr];
  for (int32_t* s = sum; s < sum + rows * nr; s += 4) vstrwq_s32(s, vdupq_n_s32(0));
  size_t g = 0;
  for (; g + 3 <= groups; g += 3, x += 3 * kr_s8, w += 3 * kr_s8 * nr)
    add_products<rows, 3>(x, stride, w, sum);
  if (groups - g == 2) add_products<rows, 2>(x, stride, w, sum);
  if (groups - g == 1) add_products<rows, 1>(x, stride, w, sum);

  for (size_t r = 0; r < rows; ++r) {
    const float x_scale = a.x_scale[row + r];
    float* const y = a.y + (row + r) * a.y_stride + p * nr;
    V16 value = fma(to_float(sum + r * nr), mul(set1(x_scale), load(panel + nr)), load(panel));
    value = finished(value, a.epilogue, y);
    if (!flushed(value)) {
      store(y, value);
      continue;
    }
    finish_scalar(sum + r * nr, panel, x_scale, a.epilogue, y);
    forget_flushes();
  }
}

// (rows, k) x (k, n) -> (rows, n), int8 in and float out
void linear_s8_f32(const LinearS8& a) {
  forget_flushes();
  for (size_t p = 0; p < a.n_panels; ++p) {
    size_t row = 0;
    for (; row + 2 <= a.rows; row += 2) linear_s8_rows<2>(a, p, row);
    if (row < a.rows) linear_s8_rows<1>(a, p, row);
  }
}
