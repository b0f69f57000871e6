#include "losses/losses.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ppgfast::losses {

using kernels::padded;

namespace {

// Logarithm of x >= 1 by additions, multiplications and divisions alone: the library's own differs between
// CPUs in its last bit. ln m = 2 artanh f, f = (m - 1) / (m + 1), |f| < 0.172.
double logarithm(double x) noexcept {
  constexpr double ln2 = 0.69314718055994530942, sqrt_half = 0.70710678118654752440;
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < sqrt_half) {
    m *= 2.0;
    --exponent;
  }
  const double f = (m - 1.0) / (m + 1.0), square = f * f;
  double series = 0.0;
  for (int n = 21; n >= 1; n -= 2) series = series * square + 1.0 / n;
  return exponent * ln2 + 2.0 * f * series;
}

// Sum of log(exp_sum) + gap. Logarithms of products of 16: a row's sum is at most the number of patches, so a
// product stays far below 2^1024.
double sum_rows(const float* exp_sum, const float* gap, std::size_t rows) noexcept {
  constexpr std::size_t group = 16;
  double total = 0.0;
  for (std::size_t i = 0; i < rows; i += group) {
    double product = 1.0;
    for (std::size_t k = i; k < std::min(i + group, rows); ++k) {
      product *= exp_sum[k];
      total += gap[k];
    }
    total += logarithm(product);
  }
  return total;
}

// The patches of one window that count.
class Chosen {
 public:
  Chosen(const Batch& batch, std::size_t window) noexcept
      : mask_(batch.mask == nullptr ? nullptr : batch.mask + window * batch.patches),
        patches_(batch.patches) {
    for (std::size_t i = 0; i < patches_; ++i) rows_ += counts(i);
  }
  std::size_t rows() const noexcept { return rows_; }

  // Whether vectors can be used where they are: all of them, with no gap that a kernel would need zeros in.
  bool in_place(std::size_t width) const noexcept { return rows_ == patches_ && width % kernels::lanes == 0; }

  // x (patches, width) -> (rows, padded(width)), in `copy` where x cannot be used in place
  const float* gather(const float* x, std::size_t width, float* copy) const noexcept {
    if (in_place(width)) return x;
    float* row = copy;
    for (std::size_t i = 0; i < patches_; ++i) {
      if (!counts(i)) continue;
      std::memcpy(row, x + i * width, width * sizeof(float));
      std::fill(row + width, row + padded(width), 0.0f);
      row += padded(width);
    }
    return copy;
  }

  // (rows, padded(width)) in `copy` -> y (patches, width), zero for what does not count
  void scatter(const float* copy, std::size_t width, float* y) const noexcept {
    for (std::size_t i = 0; i < patches_; ++i) {
      if (counts(i)) {
        std::memcpy(y + i * width, copy, width * sizeof(float));
        copy += padded(width);
      } else {
        std::fill_n(y + i * width, width, 0.0f);
      }
    }
  }

 private:
  bool counts(std::size_t i) const noexcept { return mask_ == nullptr || mask_[i] != 0; }

  const std::uint8_t* mask_;
  std::size_t patches_;
  std::size_t rows_ = 0;
};

// Floats for the copy of one window's vectors.
std::size_t copy_floats(const Batch& batch, std::size_t width) noexcept {
  return batch.patches * padded(width);
}

}  // namespace

Counts count(const Batch& batch) noexcept {
  Counts counts;
  for (std::size_t b = 0; b < batch.windows; ++b) {
    const double rows = static_cast<double>(Chosen(batch, b).rows());
    counts.rows += rows;
    counts.pairs += rows * rows;
  }
  return counts;
}

std::size_t morphology_scratch(const Batch& batch) noexcept {
  const std::size_t width = padded(batch.student_width);
  return kernels::morphology_scratch(batch.patches, width) + 4 * copy_floats(batch, width) +
         2 * padded(batch.patches);
}

void morphology(const kernels::Kernels& kernel, const Batch& batch, float temperature, double rows,
                std::size_t begin, std::size_t end, const Result& result, float* scratch) noexcept {
  const std::size_t d = batch.student_width, D = padded(d), N = batch.patches;
  float* student_copy = scratch + kernels::padded(kernels::morphology_scratch(N, D));
  float* teacher_copy = student_copy + N * D;
  float* d_student_copy = teacher_copy + N * D;
  float* d_teacher_copy = d_student_copy + N * D;
  float* exp_sum = d_teacher_copy + N * D;
  float* gap = exp_sum + padded(N);
  const float inverse_temperature = 1.0f / temperature, weight = static_cast<float>(1.0 / rows);

  for (std::size_t b = begin; b < end; ++b) {
    const Chosen chosen(batch, b);
    const bool in_place = chosen.in_place(d);
    float* d_student = result.d_student + b * N * d;
    float* d_teacher = result.d_teacher == nullptr ? nullptr : result.d_teacher + b * N * d;
    if (chosen.rows() > 0) {
      kernel.morphology_f32({chosen.gather(batch.student + b * N * d, d, student_copy),
                             chosen.gather(batch.teacher + b * N * d, d, teacher_copy), chosen.rows(), D,
                             inverse_temperature, weight, exp_sum, gap, in_place ? d_student : d_student_copy,
                             d_teacher == nullptr ? nullptr
                             : in_place           ? d_teacher
                                                  : d_teacher_copy,
                             scratch});
    }
    result.loss[b] = sum_rows(exp_sum, gap, chosen.rows());
    if (in_place) continue;
    chosen.scatter(d_student_copy, d, d_student);
    if (d_teacher != nullptr) chosen.scatter(d_teacher_copy, d, d_teacher);
  }
}

std::size_t rhythm_scratch(const Batch& batch) noexcept {
  return padded(kernels::rhythm_scratch(batch.patches)) + 2 * copy_floats(batch, batch.student_width) +
         copy_floats(batch, batch.teacher_width);
}

void rhythm(const kernels::Kernels& kernel, const Batch& batch, double pairs, std::size_t begin,
            std::size_t end, const Result& result, float* scratch) noexcept {
  const std::size_t ds = batch.student_width, dt = batch.teacher_width, N = batch.patches;
  float* student_copy = scratch + padded(kernels::rhythm_scratch(N));
  float* d_student_copy = student_copy + copy_floats(batch, ds);
  float* teacher_copy = d_student_copy + copy_floats(batch, ds);
  const float weight = static_cast<float>(1.0 / pairs);

  for (std::size_t b = begin; b < end; ++b) {
    const Chosen chosen(batch, b);
    float* d_student = result.d_student + b * N * ds;
    result.loss[b] = 0.0;
    if (chosen.rows() < 2) {  // a patch alone has no distance
      std::fill_n(d_student, N * ds, 0.0f);
      continue;
    }
    float loss = 0.0f;
    const bool in_place = chosen.in_place(ds);
    kernel.rhythm_f32({chosen.gather(batch.student + b * N * ds, ds, student_copy), padded(ds),
                       chosen.gather(batch.teacher + b * N * dt, dt, teacher_copy), padded(dt), chosen.rows(),
                       weight, &loss, in_place ? d_student : d_student_copy, scratch});
    result.loss[b] = loss;
    if (!in_place) chosen.scatter(d_student_copy, ds, d_student);
  }
}

}  // namespace ppgfast::losses
