// The two patch losses of one window with their gradients, written once for vectors of 16 floats. An ISA file
// includes it after simd.inl, having defined in the same namespace
//   square_root(V16), greater(a, b) a mask;
//   Part, one of the `parts` registers that make a V16, with load_part, sub, fma and part_of(V16&, i);
//   the register blocks of the products: strip_rows x 16 columns, pair_rows x pair_columns pairs in Parts.
// The order of operations is that of scalar_losses.inl.

// 16 columns of a product: y[i] = factor[i] * own[i] + sum over k of x[i][k] * panel[k], k in order.
struct Strip {
  const float* x;  // element (i, k) at x[i * x_row + k * x_k]
  size_t x_row;
  size_t x_k;
  size_t rows;
  size_t k;
  const float* panel;  // row k at panel + k * panel_stride
  size_t panel_stride;
  const float* own;  // row i at own + i * y_stride; null for a sum that starts at 0
  const float* factor;
  float* y;  // row i at y + i * y_stride
  size_t y_stride;
};

template <int rows>
inline void strip_block(const Strip& a, size_t i) {
  V16 sum[rows];
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    sum[r] = a.own == nullptr ? set1(0.0f) : mul(set1(a.factor[i + r]), load(a.own + (i + r) * a.y_stride));
    // The next strip of y, whose rows lie too far apart for the processor to guess.
    __builtin_prefetch(a.y + (i + r) * a.y_stride + lanes, 1);
  }
  const float* x = a.x + i * a.x_row;
  const float* panel = a.panel;
  for (size_t k = 0; k < a.k; ++k, x += a.x_k, panel += a.panel_stride) {
    const V16 columns = load(panel);
    PPGFAST_UNROLL for (int r = 0; r < rows; ++r) sum[r] = fma(set1(x[r * a.x_row]), columns, sum[r]);
  }
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) store(a.y + (i + r) * a.y_stride, sum[r]);
}

// The block of n <= rows rows from row i on.
template <int rows>
inline void strip_block_of(const Strip& a, size_t i, size_t n) {
  if constexpr (rows > 1) {
    if (n < rows) return strip_block_of<rows - 1>(a, i, n);
  }
  strip_block<rows>(a, i);
}

void multiply(const Strip& a) {
  const size_t blocks = (a.rows + strip_rows - 1) / strip_rows;  // as even as they go
  for (size_t b = 0, i = 0; b < blocks; ++b) {
    const size_t n = a.rows / blocks + (b < a.rows % blocks);
    strip_block_of<strip_rows>(a, i, n);
    i += n;
  }
}

// x (rows, width) -> inverse lengths (padded(rows)), 0 in the padding and where there is no direction.
// check[i] takes 0 times the squared length, which is NaN if that is not finite.
void inverse_lengths(const float* x, size_t rows, size_t width, float* inverse, float* check) {
  for (size_t i = 0; i < padded(rows); ++i) inverse[i] = 0.0f;
  for (size_t i = 0; i < rows; ++i) {
    V16 sum = set1(0.0f);
    for (size_t c = 0; c < width; c += lanes) {
      sum = fma(load(x + i * width + c), load(x + i * width + c), sum);
    }
    inverse[i] = fold_add(sum);
    check[i] += 0.0f * inverse[i];
  }
  for (size_t i = 0; i < rows; i += lanes) {
    const V16 square = load(inverse + i);
    store(inverse + i, keep(greater(square, set1(tiny_square)), div(set1(1.0f), square_root(square))));
  }
}

// student (M, width) x teacher^T (width, M) -> dots (M, padded(M)); panel: 16 columns of teacher^T
void dot_products(const MorphologyF32& a, float* panel, float* dots) {
  for (size_t j0 = 0; j0 < a.rows; j0 += lanes) {
    for (size_t c = 0; c < a.width; c += lanes) {
      V16 row[lanes];
      for (size_t j = 0; j < lanes; ++j) {
        row[j] = j0 + j < a.rows ? load(a.teacher + (j0 + j) * a.width + c) : set1(0.0f);
      }
      store_transposed(panel + c * lanes, lanes, row);
    }
    multiply(
        {a.student, a.width, 1, a.rows, a.width, panel, lanes, nullptr, nullptr, dots + j0, padded(a.rows)});
  }
}

// z (M, Mp): dots -> cosines over temperature; g (M, Mp): exp of each row less its largest, top.
// One pass for each step, so that rows do not wait for one another.
void softmax(const MorphologyF32& a, const float* inverse_s, const float* inverse_t, float* z, float* g,
             float* top) {
  const size_t M = a.rows, Mp = padded(M);
  for (size_t i = 0; i < M; ++i) {
    const V16 scale = set1(inverse_s[i] * a.inverse_temperature);
    V16 highest = set1(-__builtin_inff());
    for (size_t j = 0; j < M; j += lanes) {
      const V16 cosine = mul(mul(load(z + i * Mp + j), scale), load(inverse_t + j));
      store(z + i * Mp + j, cosine);
      highest = max(keep_or(first(M - j), cosine, highest), highest);
    }
    top[i] = fold_max(highest);
  }
  for (size_t i = 0; i < M; ++i) {
    V16 total = set1(0.0f);
    for (size_t j = 0; j < M; j += lanes) {
      const V16 e = keep(first(M - j), exp_f32(sub(load(z + i * Mp + j), set1(top[i]))));
      store(g + i * Mp + j, e);
      total = add(total, e);
    }
    a.exp_sum[i] = fold_add(total);
    a.gap[i] += top[i] - z[i * Mp + i];
  }
}

void morphology_f32(const MorphologyF32& a) {
  const size_t M = a.rows, Mp = padded(M), D = a.width;
  float* z = a.scratch;                  // (M, Mp) cosines over temperature
  float* g = z + M * Mp;                 // (M, Mp) softmax, then what multiplies the vectors in the gradients
  float* panel = g + M * Mp;             // (D, 16)
  float* inverse_s = panel + D * lanes;  // (Mp), as the following
  float* inverse_t = inverse_s + Mp;
  float* factor_s = inverse_t + Mp;
  float* factor_t = factor_s + Mp;

  for (size_t i = 0; i < M; ++i) a.gap[i] = 0.0f;
  for (size_t i = 0; i < Mp; ++i) factor_t[i] = 0.0f;
  inverse_lengths(a.student, M, D, inverse_s, a.gap);
  inverse_lengths(a.teacher, M, D, inverse_t, a.gap);
  dot_products(a, panel, z);
  softmax(a, inverse_s, inverse_t, z, g, factor_s);

  // With G = softmax - identity, the gradient by z: both products take G_ij inverse_s_i inverse_t_j, and each
  // vector's gradient loses its part along the vector, the sum of G_ij z_ij over the row or the column.
  for (size_t i = 0; i < M; ++i) {
    const float own = inverse_s[i] * a.inverse_temperature * a.weight;
    const V16 inverse = set1(1.0f / a.exp_sum[i]);
    V16 along = set1(0.0f);
    for (size_t j = 0; j < M; j += lanes) {
      const V16 p = mul(load(g + i * Mp + j), inverse), pz = mul(p, load(z + i * Mp + j));
      along = add(along, pz);
      store(factor_t + j, add(load(factor_t + j), pz));
      store(g + i * Mp + j, mul(mul(p, set1(own)), load(inverse_t + j)));
    }
    g[i * Mp + i] -= own * inverse_t[i];
    factor_s[i] = (z[i * Mp + i] - fold_add(along)) * inverse_s[i] * inverse_s[i] * a.weight;
  }
  for (size_t j = 0; j < M; ++j) {
    factor_t[j] = (z[j * Mp + j] - factor_t[j]) * inverse_t[j] * inverse_t[j] * a.weight;
  }
  for (size_t c = 0; c < D; c += lanes) {  // (M, M) x (M, D) -> (M, D)
    multiply({g, Mp, 1, M, M, a.teacher + c, D, a.student + c, factor_s, a.d_student + c, D});
  }
  for (size_t c = 0; a.d_teacher != nullptr && c < D; c += lanes) {
    multiply({g, 1, Mp, M, M, a.student + c, D, a.teacher + c, factor_t, a.d_teacher + c, D});
  }
}

// A block of patch pairs: x (rows, width), squares of their distances into both triangles of (rows, stride).
struct Pairs {
  const float* x;
  size_t width;
  float* square;
  size_t stride;
  const float* fetch;  // a row that later blocks want
};

// Differences first, instead of lengths and dots: nearly equal patches keep all digits of their distance. One
// Part of the lanes at a time, so that more pairs fit into the registers.
template <int rows, int columns>
inline void pair_block(const Pairs& a, size_t i, size_t j) {
  V16 sum[rows * columns];
  for (size_t part = 0; part < parts; ++part) {
    const float* from = a.x + i * a.width + part * (lanes / parts);
    const float* to = a.x + j * a.width + part * (lanes / parts);
    Part square[rows * columns];
    PPGFAST_UNROLL for (int p = 0; p < rows * columns; ++p) square[p] = Part{};
    for (size_t c = 0; c < a.width; c += lanes) {
      if (part == 0) __builtin_prefetch(a.fetch + c);
      Part own[rows];
      PPGFAST_UNROLL for (int r = 0; r < rows; ++r) own[r] = load_part(from + r * a.width + c);
      PPGFAST_UNROLL for (int q = 0; q < columns; ++q) {
        const Part other = load_part(to + q * a.width + c);
        PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
          const Part difference = sub(own[r], other);
          square[r * columns + q] = fma(difference, difference, square[r * columns + q]);
        }
      }
    }
    PPGFAST_UNROLL for (int p = 0; p < rows * columns; ++p) part_of(sum[p], part) = square[p];
  }
  PPGFAST_UNROLL for (int r = 0; r < rows; ++r) {
    PPGFAST_UNROLL for (int q = 0; q < columns; ++q) {
      const float folded = fold_add(sum[r * columns + q]);
      a.square[(i + r) * a.stride + j + q] = folded;
      a.square[(j + q) * a.stride + i + r] = folded;
    }
  }
}

// The block of m <= rows rows from i on and n <= columns from j on.
template <int rows, int columns>
inline void pair_block_of(const Pairs& a, size_t i, size_t m, size_t j, size_t n) {
  if constexpr (rows > 1) {
    if (m < rows) return pair_block_of<rows - 1, columns>(a, i, m, j, n);
  }
  if constexpr (columns > 1) {
    if (n < columns) return pair_block_of<rows, columns - 1>(a, i, m, j, n);
  }
  pair_block<rows, columns>(a, i, j);
}

// x (rows, width) -> squared distances (rows, padded(rows)); the diagonal and the padding are 0.
void squared_distances(const float* x, size_t rows, size_t width, float* square) {
  constexpr size_t l1_floats =
      4096;  // half of a level 1 cache: this many columns stay while all rows pass by
  const size_t fitting = l1_floats / width / pair_columns * pair_columns;
  const size_t tile = fitting > 0 ? fitting : pair_columns;
  // Rows are fetched a tile ahead, and on into what follows x: the next window, when windows lie side by
  // side.
  Pairs block = {x, width, square, padded(rows), x + tile * width};
  for (size_t k = 0; k < rows * block.stride; k += lanes) store(square + k, set1(0.0f));
  for (size_t j0 = 0; j0 < rows; j0 += tile) {
    const size_t end = j0 + tile < rows ? j0 + tile : rows;
    for (size_t i = 0; i + 1 < end; i += pair_rows) {
      const size_t m = rows - i < pair_rows ? rows - i : pair_rows;
      size_t j = i + 1 > j0 ? i + 1 : j0;
      const size_t blocks = (end - j + pair_columns - 1) / pair_columns;
      const size_t small = (end - j) / blocks, larger = (end - j) % blocks;
      for (size_t b = 0; b < blocks; ++b) {
        const size_t n = small + (b < larger);
        pair_block_of<pair_rows, pair_columns>(block, i, m, j, n);
        j += n;
        if (block.fetch < x + (tile + rows) * width) block.fetch += width;
      }
    }
  }
}

// x (rows, width) -> distance (rows, padded(rows)), zero on the diagonal and in the padding; returns their
// sum.
float distances(const float* x, size_t rows, size_t width, float* distance) {
  const size_t stride = padded(rows);
  squared_distances(x, rows, width, distance);
  for (size_t i = 0; i < rows; ++i) {
    float* d = distance + i * stride;
    for (size_t j = 0; j < rows; j += lanes) {
      store(d + j, keep(first(rows - j), square_root(max(set1(tiny_square), load(d + j)))));
    }
    d[i] = 0.0f;
  }
  V16 total = set1(0.0f);
  for (size_t k = 0; k < rows * stride; k += lanes) total = add(total, load(distance + k));
  return fold_add(total);
}

void rhythm_f32(const RhythmF32& a) {
  const size_t M = a.rows, Mp = padded(M), D = a.student_width;
  float* student = a.scratch;         // (M, Mp)
  float* teacher = student + M * Mp;  // (M, Mp), then the slopes, then what multiplies the student's vectors
  float* panel = teacher + M * Mp;    // (M, 16)
  const float total_s = distances(a.student, M, D, student);
  const float total_t = distances(a.teacher, M, a.teacher_width, teacher);
  const float pairs = static_cast<float>(M * (M - 1));
  const float unit_s = pairs / total_s, unit_t = pairs / total_t;

  V16 loss = set1(0.0f), along = set1(0.0f);
  for (size_t k = 0; k < M * Mp; k += lanes) {
    const V16 own = mul(load(student + k), set1(unit_s)),
              error = sub(own, mul(load(teacher + k), set1(unit_t)));
    const V16 slope = min(max(error, set1(-1.0f)), set1(1.0f));
    loss = fma(slope, sub(error, mul(set1(0.5f), slope)), loss);
    along = fma(slope, own, along);
    store(teacher + k, slope);
  }
  *a.loss = fold_add(loss) + 0.0f * (total_s + total_t);

  // d_student is a graph Laplacian times the student: each patch is pulled along its lines to the others.
  // Vectors count from the first patch on: a common offset does not matter and would cost digits.
  const V16 mean_slope = set1(fold_add(along) / pairs), scale = set1(-2.0f * a.weight * unit_s);
  const V16 lowest = set1(square_root(tiny_square));
  for (size_t i = 0; i < M; ++i) {
    V16 sum = set1(0.0f);
    for (size_t j = 0; j < M; j += lanes) {
      const V16 d = load(student + i * Mp + j);
      const V16 slope = load(teacher + i * Mp + j);
      const V16 pull = keep(greater(d, lowest), div(mul(sub(slope, mean_slope), scale), d));
      store(teacher + i * Mp + j, pull);
      sum = add(sum, pull);
    }
    teacher[i * Mp + i] = -fold_add(sum);
  }
  for (size_t c = 0; c < D; c += lanes) {  // (M, M) x (M, D) -> (M, D)
    const V16 origin = load(a.student + c);
    for (size_t k = 0; k < M; ++k) store(panel + k * lanes, sub(load(a.student + k * D + c), origin));
    multiply({teacher, Mp, 1, M, M, panel, lanes, nullptr, nullptr, a.d_student + c, D});
  }
}
