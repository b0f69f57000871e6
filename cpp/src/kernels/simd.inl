// Every op except the matrix product and what prepares it, written once for vectors of 16 floats. An ISA file
// defines, in its anonymous namespace, the type `V16` and these functions, then includes this file in the
// same namespace:
//   load store set1 add sub mul div fma(a, b, c) = a * b + c, max min (second operand if unordered),
//   fold_add (8-4-2-1), first(n) a mask of the first n lanes, keep(mask, a) = a or 0,
//   keep_or(mask, a, b) = a or b, square_root (of one float),
//   exp2_of(shifted) = 2^n from the bits of n + round_magic, swap_pairs (0 1 2 3 -> 1 0 3 2),
//   store_transposed(out, stride, rows) 16 x 16.
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

// Rotated queries of one head, transposed, and rotated keys. Beyond the last token queries are zero: finite,
// and nobody asks for what they find.
void rotate_head(const AttentionF32& a, size_t head, float* q_transposed, float* k) {
  const size_t T = a.tokens, Dh = a.d_head, Tp = padded(T), stride = 3 * a.n_heads * Dh;
  const float* queries = a.qkv + head * Dh;
  const float* keys = queries + a.n_heads * Dh;
  for (size_t c = 0; c < Dh; c += lanes) {
    for (size_t t0 = 0; t0 < Tp; t0 += lanes) {
      const size_t n = T - t0 < lanes ? T - t0 : lanes;
      V16 column[lanes];
      for (size_t i = 0; i < n; ++i) {
        const size_t t = t0 + i;
        V16 qs = load(queries + t * stride + c), ks = load(keys + t * stride + c);
        if (c < a.rotated) {
          const V16 cosine = load(a.rotary_cos + t * a.rotated + c),
                    sine = load(a.rotary_sin + t * a.rotated + c);
          qs = fma(swap_pairs(qs), sine, mul(qs, cosine));
          ks = fma(swap_pairs(ks), sine, mul(ks, cosine));
        }
        column[i] = qs;
        store(k + t * Dh + c, ks);
      }
      for (size_t i = n; i < lanes; ++i) column[i] = set1(0.0f);
      store_transposed(q_transposed + c * Tp + t0, Tp, column);
    }
  }
}

constexpr size_t most_keys = 6;

// `keys` keys (keys, Dh) with 16 queries (Dh, Tp) -> score (keys, 16)
template <int keys>
void attention_scores(const float* k, const float* q_transposed, size_t Dh, size_t Tp, float* score) {
  V16 sum[keys];
  PPGFAST_UNROLL for (int j = 0; j < keys; ++j) sum[j] = set1(0.0f);
  for (size_t c = 0; c < Dh; ++c) {
    const V16 q = load(q_transposed + c * Tp);
    PPGFAST_UNROLL for (int j = 0; j < keys; ++j) sum[j] = fma(q, set1(k[j * Dh + c]), sum[j]);
  }
  PPGFAST_UNROLL for (int j = 0; j < keys; ++j) store(score + j * lanes, sum[j]);
}

// Softmax of 16 queries, from i0 on, over the keys that each may see: score (columns, 16) -> exponentials,
// zero beyond a query's own key, and inverse (16), one over their sum. The division waits until the end.
void attention_softmax(size_t i0, size_t columns, float* score, float* inverse) {
  V16 highest = set1(-__builtin_inff());
  for (size_t j = 0; j < columns; ++j) {
    const V16 s = load(score + j * lanes);
    highest = max(j > i0 ? keep_or(first(j - i0), set1(-__builtin_inff()), s) : s, highest);
  }
  V16 sum[lanes];  // the definition's 16 lanes, of 16 queries
  for (size_t l = 0; l < lanes; ++l) sum[l] = set1(0.0f);
  for (size_t j = 0; j < columns; ++j) {
    V16 e = exp_f32(sub(load(score + j * lanes), highest));
    if (j > i0) e = keep_or(first(j - i0), set1(0.0f), e);
    store(score + j * lanes, e);
    sum[j % lanes] = add(sum[j % lanes], e);
  }
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) sum[l] = add(sum[l], sum[l + half]);
  }
  store(inverse, div(set1(1.0f), sum[0]));
}

// The weighted sum of `columns` values for `rows` queries, whose exponentials are columns of score.
template <int rows>
void attention_values(const AttentionF32& a, const float* values, size_t columns, const float* score,
                      const float* inverse, float* y) {
  const size_t width = a.n_heads * a.d_head, stride = 3 * width;
  for (size_t c = 0; c < a.d_head; c += lanes) {
    V16 sum[rows];
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = set1(0.0f);
    for (size_t j = 0; j < columns; ++j) {
      const V16 v = load(values + j * stride + c);
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(score[j * lanes + r]), v, sum[r]);
    }
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) store(y + r * width + c, mul(sum[r], set1(inverse[r])));
  }
}

void attention_f32(const AttentionF32& a) {
  using Scores = void (*)(const float* k, const float* q_transposed, size_t Dh, size_t Tp, float* score);
  static constexpr Scores scores[most_keys] = {attention_scores<1>, attention_scores<2>, attention_scores<3>,
                                               attention_scores<4>, attention_scores<5>, attention_scores<6>};
  using Values = void (*)(const AttentionF32&, const float* values, size_t columns, const float* score,
                          const float* inverse, float* y);
  static constexpr Values sums[attention_group] = {attention_values<1>, attention_values<2>,
                                                   attention_values<3>, attention_values<4>};
  const size_t T = a.tokens, Dh = a.d_head, Tp = padded(T);
  float* q_transposed = a.scratch;    // (Dh, Tp)
  float* k = q_transposed + Tp * Dh;  // (T, Dh)
  float* score = k + Tp * Dh;         // (T, 16)

  for (size_t head = 0; head < a.n_heads; ++head) {
    const float* values = a.qkv + (2 * a.n_heads + head) * Dh;
    rotate_head(a, head, q_transposed, k);
    for (size_t i0 = 0; i0 < T; i0 += lanes) {
      const size_t end = i0 + lanes < T ? i0 + lanes : T;  // of the queries, and of the keys they may see
      const size_t blocks = (end + most_keys - 1) / most_keys;
      for (size_t b = 0, j = 0; b < blocks; ++b) {
        const size_t keys = end / blocks + (b < end % blocks);
        scores[keys - 1](k + j * Dh, q_transposed + i0, Dh, Tp, score + j * lanes);
        j += keys;
      }
      float inverse[lanes];
      attention_softmax(i0, end, score, inverse);
      for (size_t i = i0; i < end; i += attention_group) {
        const size_t rows = end - i < attention_group ? end - i : attention_group;
        sums[rows - 1](a, values, i + rows, score + i - i0, inverse + i - i0,
                       a.y + (i * a.n_heads + head) * Dh);
      }
    }
  }
}

void attention_step_f32(const AttentionStepF32& a) {
  const size_t width = a.n_heads * a.d_head, n = a.n_keys;
  float* const score = a.scratch;
  for (size_t head = 0; head < a.n_heads; ++head) {
    const float* q = a.query + head * a.d_head;
    const float* k = a.keys + head * a.d_head * a.key_stride;
    for (size_t j = 0; j < n; j += lanes) {
      V16 s = load(a.bias + head * a.bias_stride + j);
      for (size_t c = 0; c < a.d_head; ++c) s = fma(set1(q[c]), load(k + c * a.key_stride + j), s);
      store(score + j, s);
    }
    float highest = -__builtin_inff();
    for (size_t j = 0; j < n; ++j) highest = score[j] > highest ? score[j] : highest;
    V16 sum = set1(0.0f);
    for (size_t j = 0; j < n; j += lanes) {
      const V16 e = keep(first(n - j < lanes ? n - j : lanes), exp_f32(sub(load(score + j), set1(highest))));
      store(score + j, e);
      sum = add(sum, e);
    }
    const V16 inverse = set1(1.0f / fold_add(sum));
    for (size_t c = head * a.d_head; c < (head + 1) * a.d_head; c += lanes) {
      V16 y = set1(0.0f);
      for (size_t j = 0; j < n; ++j) y = fma(set1(score[j]), load(a.values + j * width + c), y);
      store(a.y + c, mul(y, inverse));
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
