// Every op except the matrix product, written once for vectors of 16 floats. An ISA file defines, in its
// anonymous namespace, the type `V16` and these functions, then includes this file in the same namespace:
//   load store set1 add sub mul div fma(a, b, c) = a * b + c, max min (second operand if unordered),
//   fold_add fold_max (8-4-2-1), first(n) a mask of the first n lanes, keep(mask, a) = a or 0,
//   keep_or(mask, a, b) = a or b, abs, square_root (of one float),
//   exp2_of(shifted) = 2^n from the bits of n + round_magic, swap_pairs (0 1 2 3 -> 1 0 3 2),
//   store_transposed(out, stride, rows) 16 x 16, store_s8(q, a): 16 floats in [-127, 127], rounded to nearest
//   even, plus the table's activation_offset, as bytes.
// The order of operations is that of scalar.cpp.

V16 exp_f32(V16 x) {
  x = max(x, set1(exp_lowest));
  x = min(x, set1(exp_highest));
  const V16 shifted = fma(x, set1(log2_e), set1(round_magic));
  const V16 n = sub(shifted, set1(round_magic));
  V16 r = fma(n, set1(-ln2_high), x);
  r = fma(n, set1(-ln2_low), r);
  V16 p = set1(exp_polynomial[4]);
  for (int i = 3; i >= 0; --i) p = fma(p, r, set1(exp_polynomial[i]));
  p = fma(p, mul(r, r), r);
  p = add(p, set1(1.0f));
  return mul(p, exp2_of(shifted));
}

V16 erf_f32(V16 z) {
  z = max(z, set1(-erf_limit));
  z = min(z, set1(erf_limit));
  const V16 w = mul(z, z);
  V16 p = set1(erf_numerator[5]);
  V16 q = set1(erf_denominator[5]);
  for (int i = 4; i >= 0; --i) {
    p = fma(p, w, set1(erf_numerator[i]));
    q = fma(q, w, set1(erf_denominator[i]));
  }
  return div(mul(z, p), q);
}

V16 gelu_f32(V16 x) {
  const V16 half = mul(set1(0.5f), x);
  return fma(half, erf_f32(mul(x, set1(sqrt_half))), half);
}

void rmsnorm_f32(const RmsNormF32& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.stride;
    float* y = a.y + row * a.stride;
    V16 sum = set1(0.0f);
    for (size_t i = 0; i < a.stride; i += lanes) sum = fma(load(x + i), load(x + i), sum);
    const float mean_square = fold_add(sum) / static_cast<float>(a.width);
    const V16 scale = set1(1.0f / square_root(mean_square + a.epsilon));
    for (size_t i = 0; i < a.stride; i += lanes) store(y + i, mul(load(x + i), scale));
  }
}

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

// Scores, softmax and the weighted sum of values for `rows` <= 4 queries from row i0 on, of one head.
template <int rows>
void attention_rows(const AttentionF32& a, size_t i0, const float* q, const float* k_transposed,
                    const float* values, float* score, float* y) {
  const size_t Dh = a.d_head, Tp = padded(a.tokens), stride = 3 * a.n_heads * Dh;
  const size_t columns = i0 + rows;  // keys that the group's last row may see

  // (rows, Dh) x (Dh, columns) -> score (rows, columns)
  for (size_t j = 0; j < columns; j += lanes) {
    V16 sum[rows];
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = set1(0.0f);
    for (size_t c = 0; c < Dh; ++c) {
      const V16 k = load(k_transposed + c * Tp + j);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(q[r * Dh + c]), k, sum[r]);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) store(score + r * Tp + j, sum[r]);
  }

  // softmax over each row's own keys; the division by the sum waits until the end
  float inverse[rows];
  for (int r = 0; r < rows; ++r) {
    float* s = score + r * Tp;
    const size_t visible = i0 + r + 1;
    V16 highest = set1(-__builtin_inff());
    for (size_t j = 0; j < columns; j += lanes) {
      highest = max(keep_or(first(visible - (j < visible ? j : visible)), load(s + j), highest), highest);
    }
    const V16 top = set1(fold_max(highest));
    V16 total = set1(0.0f);
    for (size_t j = 0; j < columns; j += lanes) {
      const V16 e = keep(first(visible - (j < visible ? j : visible)), exp_f32(sub(load(s + j), top)));
      store(s + j, e);
      total = add(total, e);
    }
    inverse[r] = 1.0f / fold_add(total);
  }

  // (rows, columns) x (columns, Dh) -> y (rows, Dh)
  for (size_t c = 0; c < Dh; c += lanes) {
    V16 sum[rows];
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = set1(0.0f);
    for (size_t j = 0; j < columns; ++j) {
      const V16 v = load(values + j * stride + c);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(score[r * Tp + j]), v, sum[r]);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r)
        store(y + r * a.n_heads * Dh + c, mul(sum[r], set1(inverse[r])));
  }
}

void attention_f32(const AttentionF32& a) {
  const size_t T = a.tokens, Dh = a.d_head, Tp = padded(T), stride = 3 * a.n_heads * Dh;
  float* q = a.scratch;                   // (T, Dh), rotated
  float* k_transposed = q + Tp * Dh;      // (Dh, Tp), rotated
  float* score = k_transposed + Tp * Dh;  // (4, Tp)

  for (size_t head = 0; head < a.n_heads; ++head) {
    const float* queries = a.qkv + head * Dh;
    const float* keys = queries + a.n_heads * Dh;
    const float* values = keys + a.n_heads * Dh;

    for (size_t c = 0; c < Dh; c += lanes) {
      for (size_t t0 = 0; t0 < Tp; t0 += lanes) {
        V16 column[lanes];
        for (size_t t = t0; t < t0 + lanes; ++t) {
          if (t >= T) {  // the keys' padding: finite, never visible
            column[t - t0] = set1(0.0f);
            continue;
          }
          const V16 cosine = load(a.rotary_cos + t * Dh + c), sine = load(a.rotary_sin + t * Dh + c);
          const V16 qs = load(queries + t * stride + c), ks = load(keys + t * stride + c);
          store(q + t * Dh + c, fma(swap_pairs(qs), sine, mul(qs, cosine)));
          column[t - t0] = fma(swap_pairs(ks), sine, mul(ks, cosine));
        }
        store_transposed(k_transposed + c * Tp + t0, Tp, column);
      }
    }
    for (size_t i = 0; i < T; i += attention_group) {
      const float* qi = q + i * Dh;
      float* y = a.y + (i * a.n_heads + head) * Dh;
      switch (T - i) {
        case 1:
          attention_rows<1>(a, i, qi, k_transposed, values, score, y);
          break;
        case 2:
          attention_rows<2>(a, i, qi, k_transposed, values, score, y);
          break;
        case 3:
          attention_rows<3>(a, i, qi, k_transposed, values, score, y);
          break;
        default:
          attention_rows<4>(a, i, qi, k_transposed, values, score, y);
          break;
      }
    }
  }
}

void head_f32(const HeadF32& a) {
  const size_t count = a.tokens * a.stride;
  const float n = static_cast<float>(a.tokens * a.width);

  V16 sum = set1(0.0f);
  for (size_t i = 0; i < count; i += lanes) sum = add(sum, load(a.x + i));
  const float mean = fold_add(sum) / n;
  const V16 means = set1(mean);

  V16 squares = set1(0.0f);
  for (size_t row = 0; row < count; row += a.stride) {
    for (size_t i = 0; i < a.stride; i += lanes) {
      const size_t used = a.width - i < lanes ? a.width - i : lanes;
      const V16 centred = keep(first(used), sub(load(a.x + row + i), means));
      squares = fma(centred, centred, squares);
    }
  }
  const V16 scale = set1(1.0f / square_root(fold_add(squares) / n + a.epsilon));

  for (size_t i = 0; i < count; i += lanes) {
    const V16 normal = mul(sub(load(a.x + i), means), scale);
    store(a.scratch + i, gelu_f32(fma(normal, load(a.gain + i), load(a.shift + i))));
  }
  for (size_t o = 0; o < a.outputs; ++o) {
    V16 dot = set1(0.0f);
    for (size_t i = 0; i < count; i += lanes)
      dot = fma(load(a.scratch + i), load(a.weight + o * count + i), dot);
    a.y[o] = a.bias[o] + fold_add(dot);
  }
}
