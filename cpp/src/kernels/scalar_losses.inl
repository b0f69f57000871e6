// The definition of the two patch losses; scalar.cpp includes it.

// y[i] = factor[i] own[i] + sum over k of x[i][k] z[k], k in order.
// x: element (i, k) at x[i * x_row + k * x_k]; z, own and y: (n, width)
void combine(const float* x, size_t x_row, size_t x_k, const float* z, const float* own, const float* factor,
             size_t n, size_t width, float* y) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t c = 0; c < width; ++c) {
      float sum = factor[i] * own[i * width + c];
      for (size_t k = 0; k < n; ++k) sum = fmaf(x[i * x_row + k * x_k], z[k * width + c], sum);
      y[i * width + c] = sum;
    }
  }
}

// Inverse lengths of the rows of x (rows, width), 0 where there is no direction. check[i] takes 0 times the
// squared length, which is NaN if that is not finite.
void inverse_lengths(const float* x, size_t rows, size_t width, float* inverse, float* check) {
  for (size_t i = 0; i < rows; ++i) {
    float lane[lanes] = {};
    for (size_t c = 0; c < width; ++c) {
      lane[c % lanes] = fmaf(x[i * width + c], x[i * width + c], lane[c % lanes]);
    }
    const float square = fold(lane);
    inverse[i] = square > tiny_square ? 1.0f / sqrtf(square) : 0.0f;
    check[i] += 0.0f * square;
  }
}

void morphology_f32(const MorphologyF32& a) {
  const size_t M = a.rows;
  float* z = a.scratch;          // (M, M) cosines over temperature
  float* g = z + M * M;          // (M, M) softmax, then what multiplies the vectors in the gradients
  float* inverse_s = g + M * M;  // (M), as the following
  float* inverse_t = inverse_s + M;
  float* factor_s = inverse_t + M;
  float* factor_t = factor_s + M;

  for (size_t i = 0; i < M; ++i) a.gap[i] = factor_t[i] = 0.0f;
  inverse_lengths(a.student, M, a.width, inverse_s, a.gap);
  inverse_lengths(a.teacher, M, a.width, inverse_t, a.gap);

  for (size_t i = 0; i < M; ++i) {
    const float scale = inverse_s[i] * a.inverse_temperature;
    float highest = -INFINITY;
    for (size_t j = 0; j < M; ++j) {
      float dot = 0.0f;
      for (size_t c = 0; c < a.width; ++c)
        dot = fmaf(a.student[i * a.width + c], a.teacher[j * a.width + c], dot);
      z[i * M + j] = dot * scale * inverse_t[j];
      highest = z[i * M + j] > highest ? z[i * M + j] : highest;
    }
    float lane[lanes] = {};
    for (size_t j = 0; j < M; ++j) {
      g[i * M + j] = exp_f32(z[i * M + j] - highest);
      lane[j % lanes] = lane[j % lanes] + g[i * M + j];
    }
    a.exp_sum[i] = fold(lane);
    a.gap[i] += highest - z[i * M + i];
  }

  // With G = softmax - identity, the gradient by z: both products take G_ij inverse_s_i inverse_t_j, and each
  // vector's gradient loses its part along the vector, the sum of G_ij z_ij over the row or the column.
  for (size_t i = 0; i < M; ++i) {
    const float own = inverse_s[i] * a.inverse_temperature * a.weight, inverse = 1.0f / a.exp_sum[i];
    float lane[lanes] = {};
    for (size_t j = 0; j < M; ++j) {
      const float p = g[i * M + j] * inverse, pz = p * z[i * M + j];
      lane[j % lanes] = lane[j % lanes] + pz;
      factor_t[j] = factor_t[j] + pz;
      g[i * M + j] = p * own * inverse_t[j];
    }
    g[i * M + i] -= own * inverse_t[i];
    factor_s[i] = (z[i * M + i] - fold(lane)) * inverse_s[i] * inverse_s[i] * a.weight;
  }
  for (size_t j = 0; j < M; ++j) {
    factor_t[j] = (z[j * M + j] - factor_t[j]) * inverse_t[j] * inverse_t[j] * a.weight;
  }
  combine(g, M, 1, a.teacher, a.student, factor_s, M, a.width, a.d_student);
  if (a.d_teacher != nullptr) combine(g, 1, M, a.student, a.teacher, factor_t, M, a.width, a.d_teacher);
}

// x (rows, width) -> distance (rows, padded(rows)), zero on the diagonal and in the padding; returns their
// sum.
float distances(const float* x, size_t rows, size_t width, float* distance) {
  const size_t stride = padded(rows);
  float total[lanes] = {};
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < stride; ++j) {
      float lane[lanes] = {};
      for (size_t c = 0; j < rows && c < width; ++c) {
        const float difference = x[i * width + c] - x[j * width + c];
        lane[c % lanes] = fmaf(difference, difference, lane[c % lanes]);
      }
      const float square = fold(lane);  // NaN passes the maximum below
      distance[i * stride + j] =
          i == j || j >= rows ? 0.0f : sqrtf(tiny_square > square ? tiny_square : square);
      total[j % lanes] = total[j % lanes] + distance[i * stride + j];
    }
  }
  return fold(total);
}

void rhythm_f32(const RhythmF32& a) {
  const size_t M = a.rows, Mp = padded(M), D = a.student_width;
  float* student = a.scratch;         // (M, Mp)
  float* teacher = student + M * Mp;  // (M, Mp), then the slopes, then what multiplies the student's vectors
  float* column = teacher + M * Mp;   // (M)
  const float total_s = distances(a.student, M, D, student);
  const float total_t = distances(a.teacher, M, a.teacher_width, teacher);
  const float pairs = static_cast<float>(M * (M - 1));
  const float unit_s = pairs / total_s, unit_t = pairs / total_t;

  float loss[lanes] = {}, along[lanes] = {};
  for (size_t k = 0; k < M * Mp; ++k) {
    const float own = student[k] * unit_s, error = own - teacher[k] * unit_t;
    float slope = error > -1.0f ? error : -1.0f;
    slope = slope < 1.0f ? slope : 1.0f;
    loss[k % lanes] = fmaf(slope, error - 0.5f * slope, loss[k % lanes]);
    along[k % lanes] = fmaf(slope, own, along[k % lanes]);
    teacher[k] = slope;
  }
  *a.loss = fold(loss) + 0.0f * (total_s + total_t);

  // d_student is a graph Laplacian times the student: each patch is pulled along its lines to the others.
  // Vectors count from the first patch on: a common offset does not matter and would cost digits.
  const float mean_slope = fold(along) / pairs, scale = -2.0f * a.weight * unit_s,
              lowest = sqrtf(tiny_square);
  for (size_t i = 0; i < M; ++i) {
    float lane[lanes] = {};
    for (size_t j = 0; j < M; ++j) {
      float& pull = teacher[i * Mp + j];
      const float d = student[i * Mp + j];
      pull = d > lowest ? (pull - mean_slope) * scale / d : 0.0f;
      lane[j % lanes] = lane[j % lanes] + pull;
    }
    teacher[i * Mp + i] = -fold(lane);
  }
  for (size_t c = 0; c < D; ++c) {
    for (size_t k = 0; k < M; ++k) column[k] = a.student[k * D + c] - a.student[c];
    for (size_t i = 0; i < M; ++i) {
      float sum = 0.0f;
      for (size_t k = 0; k < M; ++k) sum = fmaf(teacher[i * Mp + k], column[k], sum);
      a.d_student[i * D + c] = sum;
    }
  }
}
