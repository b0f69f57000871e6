// Rounding to int8 for vectors of 16 floats. Beside what simd.inl asks for, an ISA file defines
//   abs, fold_max, store_s8(q, a): 16 floats in [-127, 127], rounded to nearest even, plus the table's
//   activation_offset, as bytes.

// Rows side by side, since the largest magnitude of a row, a division and its rounding wait for each other.
template <int rows>
void quantize_rows(const QuantizeS8& a, size_t row) {
  const size_t stride = quantized_stride(a.k), whole = a.k / lanes * lanes;
  const float* x = a.x + row * a.x_stride;
  uint8_t* q = a.q + row * stride;
  float tail[rows][lanes] = {};  // the last inputs, when k is no multiple of 16
  if (whole < a.k) {
    for (int r = 0; r < rows; ++r) {
      for (size_t i = 0; whole + i < a.k; ++i) tail[r][i] = x[r * a.x_stride + whole + i];
    }
  }
  V16 largest[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) largest[r] = max(abs(load(tail[r])), set1(0.0f));
  for (size_t k = 0; k < whole; k += lanes) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      largest[r] = max(abs(load(x + r * a.x_stride + k)), largest[r]);
    }
  }
  V16 inverse[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    const float top = fold_max(largest[r]);
    const bool usable = top > quantize_lowest;
    inverse[r] = set1(usable ? 127.0f / top : 0.0f);
    a.scale[row + r] = usable ? top / 127.0f : 0.0f;
  }
  const V16 lowest = set1(-127.0f);  // where NaN goes; nothing else is out of range
  for (size_t k = 0; k < whole; k += lanes) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      store_s8(q + r * stride + k, max(mul(load(x + r * a.x_stride + k), inverse[r]), lowest));
    }
  }
  for (size_t k = whole; k < stride; k += lanes) {
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
      const V16 last = k < a.k ? load(tail[r]) : set1(0.0f);
      store_s8(q + r * stride + k, max(mul(last, inverse[r]), lowest));
    }
  }
}

void quantize_s8(const QuantizeS8& a) {
  size_t row = 0;
  for (; row + 4 <= a.rows; row += 4) quantize_rows<4>(a, row);
  for (; row < a.rows; ++row) quantize_rows<1>(a, row);
}
