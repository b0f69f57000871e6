// The patch losses: every kernel table returns the bits of the scalar one; the scalar one is what the
// formulas say, in double and by finite differences; masks, widths and parts of a batch change nothing that
// they should not.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "check.hpp"
#include "kernel_cases.hpp"
#include "losses/losses.hpp"

namespace {

using namespace kernel_cases;
using ppgfast::losses::Batch;

// Both losses of one window on one table, with everything they write.
struct Window {
  Window(std::size_t rows_, std::size_t width_, std::size_t teacher_width_, Fill fill)
      : rows(rows_),
        width(width_),
        teacher_width(teacher_width_),
        student(rows * width),
        teacher(rows * width),
        other(rows * teacher_width) {
    std::mt19937 random(static_cast<unsigned>(rows * 100 + width));
    student.fill(fill, random);
    teacher.fill(fill == Fill::random ? fill : Fill::ramp, random);
    other.fill(fill, random);
  }

  struct Output {
    Output(std::size_t rows, std::size_t width)
        : exp_sum(rows),
          gap(rows),
          d_student(rows * width),
          d_teacher(rows * width),
          loss(1),
          d_rhythm(rows * width),
          scratch(std::max(morphology_scratch(rows, width), rhythm_scratch(rows))) {}
    Guarded exp_sum, gap, d_student, d_teacher, loss, d_rhythm, scratch;
  };

  void run(const Kernels& table, Output& out) {
    table.morphology_f32({student.data(), teacher.data(), rows, width, 9.5f, 0.25f, out.exp_sum.data(),
                          out.gap.data(), out.d_student.data(), out.d_teacher.data(), out.scratch.data()});
    if (rows < 2) return;
    table.rhythm_f32({student.data(), width, other.data(), teacher_width, rows, 0.25f, out.loss.data(),
                      out.d_rhythm.data(), out.scratch.data()});
  }

  std::size_t rows, width, teacher_width;
  Guarded student, teacher, other;
};

void compare_tables(const Kernels& table, std::size_t rows, std::size_t width, std::size_t teacher_width,
                    Fill fill) {
  Window window(rows, width, teacher_width, fill);
  Window::Output expected(rows, width), got(rows, width);
  std::mt19937 random(1);
  got.scratch.fill(Fill::ramp, random);  // what an earlier call left there must not matter
  window.run(scalar, expected);
  window.run(table, got);
  bool same = true;
  for (auto member : {&Window::Output::exp_sum, &Window::Output::gap, &Window::Output::d_student,
                      &Window::Output::d_teacher, &Window::Output::loss, &Window::Output::d_rhythm}) {
    const bool vector = member == &Window::Output::d_student || member == &Window::Output::d_teacher ||
                        member == &Window::Output::d_rhythm;
    const std::size_t n = vector ? rows * width : member == &Window::Output::loss ? 1 : rows;
    same = same && same_bits((expected.*member).data(), (got.*member).data(), n) && (got.*member).intact();
  }
  if (!CHECK(same) || !CHECK(got.scratch.intact()) || !CHECK(expected.scratch.intact())) {
    std::cout << "  " << table.name << " rows " << rows << " widths " << width << ", " << teacher_width
              << " fill " << static_cast<int>(fill) << "\n";
  }
}

TEST(tables_match_scalar_for_every_size) {
  for (const Kernels* table : tables()) {
    for (std::size_t rows = 1; rows <= 34; ++rows) compare_tables(*table, rows, 32, 48, Fill::random);
    for (std::size_t rows : {48, 63, 64, 65}) compare_tables(*table, rows, 16, 16, Fill::random);
    for (std::size_t width : {16, 48, 112, 128, 512})
      compare_tables(*table, 7, width, 640 - width, Fill::random);
    compare_tables(*table, 5, 16, 1024, Fill::random);  // a teacher's tile of one block of columns
    compare_tables(*table, 5, 2048, 16, Fill::random);
  }
}

TEST(tables_match_scalar_for_every_fill) {
  for (const Kernels* table : tables()) {
    for (Fill fill : fills) compare_tables(*table, 9, 32, 16, fill);
  }
}

// A batch with its results, on one table. The temperature is 0.2 throughout.
struct Losses {
  Losses(std::vector<float> student_, std::vector<float> teacher_, std::size_t patches, std::size_t width,
         const std::uint8_t* mask = nullptr)
      : student(std::move(student_)),
        teacher(std::move(teacher_)),
        d_student(student.size(), 7.0f),  // what nobody writes is no gradient
        d_teacher(student.size(), 7.0f),
        d_rhythm(student.size(), 7.0f) {
    batch = {student.data(), teacher.data(), mask, student.size() / patches / width, patches, width, width};
    loss.resize(batch.windows);
    rhythm_loss.resize(batch.windows);
  }
  void run(const Kernels& table, std::size_t parts = 1) {
    const ppgfast::losses::Counts counts = count(batch);
    std::mt19937 random(1);
    for (std::size_t i = 0; i < parts; ++i) {
      const std::size_t begin = batch.windows * i / parts, end = batch.windows * (i + 1) / parts;
      Guarded a(morphology_scratch(batch)), b(rhythm_scratch(batch));
      for (Guarded* scratch : {&a, &b}) scratch->fill(Fill::ramp, random);
      morphology(table, batch, 0.2f, counts.rows, begin, end,
                 {loss.data(), d_student.data(), d_teacher.data()}, a.data());
      rhythm(table, batch, counts.pairs, begin, end, {rhythm_loss.data(), d_rhythm.data(), nullptr},
             b.data());
      CHECK(a.intact());
      CHECK(b.intact());
    }
  }

  std::vector<float> student, teacher, d_student, d_teacher, d_rhythm;
  std::vector<double> loss, rhythm_loss;
  Batch batch;
};

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> x(n);
  for (float& value : x) value = distribution(random);
  return x;
}

// The formulas, in double, for one window of (n, d).
double morphology_of(const std::vector<double>& s, const std::vector<double>& t, std::size_t n,
                     std::size_t d) {
  const auto dot = [d](const double* a, const double* b) {
    double sum = 0.0;
    for (std::size_t c = 0; c < d; ++c) sum += a[c] * b[c];
    return sum;
  };
  double loss = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0.0, own = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      const double *a = &s[i * d], *b = &t[j * d];
      const double z = dot(a, b) / std::sqrt(dot(a, a) * dot(b, b)) / 0.2;
      sum += std::exp(z);
      if (i == j) own = z;
    }
    loss += std::log(sum) - own;
  }
  return loss / static_cast<double>(n);
}

std::vector<double> relative_distances(const std::vector<double>& x, std::size_t n, std::size_t d) {
  std::vector<double> distance(n * n);
  double total = 0.0;
  for (std::size_t k = 0; k < n * n; ++k) {
    double square = 0.0;
    for (std::size_t c = 0; c < d; ++c) square += std::pow(x[k / n * d + c] - x[k % n * d + c], 2);
    total += distance[k] = std::sqrt(square);
  }
  for (double& value : distance) value *= static_cast<double>(n * (n - 1)) / total;
  return distance;
}

double rhythm_of(const std::vector<double>& s, const std::vector<double>& t, std::size_t n, std::size_t d) {
  const std::vector<double> a = relative_distances(s, n, d), b = relative_distances(t, n, d);
  double loss = 0.0;
  for (std::size_t k = 0; k < n * n; ++k) {
    const double error = std::fabs(a[k] - b[k]);
    loss += error < 1.0 ? 0.5 * error * error : error - 0.5;
  }
  return loss / static_cast<double>(n * n);
}

template <typename Loss>
void check_gradient(Loss loss, std::vector<double> x, const std::vector<float>& gradient, double step) {
  double largest = 0.0, worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + step;
    const double up = loss(x);
    x[i] = kept - step;
    const double slope = (up - loss(x)) / (2.0 * step);
    x[i] = kept;
    largest = std::max(largest, std::fabs(slope));
    worst = std::max(worst, std::fabs(slope - gradient[i]));
  }
  CHECK(worst < 1e-5 * largest);
}

TEST(values_and_gradients_are_those_of_the_formulas) {
  const std::size_t n = 7, d = 20;
  for (const float size : {1.0f, 1e-3f}) {
    Losses losses(normal(n * d, 1), normal(n * d, 2), n, d);
    for (std::size_t c = 0; c < d; ++c) {
      losses.student[c] *= 30.0f;  // far from the others: smooth-L1 becomes linear
    }
    for (float& value : losses.student) value *= size;
    losses.run(scalar);
    const std::vector<double> s(losses.student.begin(), losses.student.end());
    const std::vector<double> t(losses.teacher.begin(), losses.teacher.end());
    CHECK(std::fabs(losses.loss[0] / n - morphology_of(s, t, n, d)) < 1e-6);
    CHECK(std::fabs(losses.rhythm_loss[0] / (n * n) - rhythm_of(s, t, n, d)) < 1e-6);
    const double step = 1e-5 * size;
    check_gradient([&](const auto& x) { return morphology_of(x, t, n, d); }, s, losses.d_student, step);
    check_gradient([&](const auto& x) { return morphology_of(s, x, n, d); }, t, losses.d_teacher, 1e-5);
    check_gradient([&](const auto& x) { return rhythm_of(x, t, n, d); }, s, losses.d_rhythm, step);
  }
}

TEST(a_batch_may_be_cut_anywhere) {
  const std::size_t windows = 7, n = 9, d = 32;
  Losses whole(normal(windows * n * d, 3), normal(windows * n * d, 4), n, d), cut = whole;
  cut.batch.student = cut.student.data();
  cut.batch.teacher = cut.teacher.data();
  whole.run(scalar);
  cut.run(scalar, 3);
  CHECK(whole.loss == cut.loss);
  CHECK(whole.rhythm_loss == cut.rhythm_loss);
  CHECK(whole.d_student == cut.d_student);
  CHECK(whole.d_teacher == cut.d_teacher);
  CHECK(whole.d_rhythm == cut.d_rhythm);
}

// Windows of n patches of width d, spread out among patches that do not count and hold NaN.
TEST(what_does_not_count_changes_no_bit) {
  const std::size_t windows = 2, n = 6, d = 16, more = 1;
  Losses plain(normal(windows * n * d, 5), normal(windows * n * d, 6), n, d);
  std::uint8_t mask[windows * (n + more)] = {};
  std::vector<float> student(windows * (n + more) * d, std::numeric_limits<float>::quiet_NaN()),
      teacher = student;
  std::vector<std::size_t> place;  // of each patch that counts
  for (std::size_t b = 0; b < windows; ++b) {
    for (std::size_t i = 0; i < n; ++i) place.push_back(b * (n + more) + i + (i > 2 + b ? 1 : 0));
  }
  for (std::size_t p = 0; p < place.size(); ++p) {
    mask[place[p]] = 1;
    std::copy_n(&plain.student[p * d], d, &student[place[p] * d]);
    std::copy_n(&plain.teacher[p * d], d, &teacher[place[p] * d]);
  }
  Losses masked(student, teacher, n + more, d, mask);
  plain.run(scalar);
  masked.run(scalar);
  CHECK(plain.loss == masked.loss);
  CHECK(plain.rhythm_loss == masked.rhythm_loss);
  for (auto gradient : {&Losses::d_student, &Losses::d_teacher, &Losses::d_rhythm}) {
    for (std::size_t p = 0; p < place.size(); ++p) {
      CHECK(same_bits(&(plain.*gradient)[p * d], &(masked.*gradient)[place[p] * d], d));
    }
    for (std::size_t p = 0; p < windows * (n + more); ++p) {
      for (std::size_t c = 0; !mask[p] && c < d; ++c) CHECK_EQ((masked.*gradient)[p * d + c], 0.0f);
    }
  }
}

TEST(a_width_may_be_any) {  // as if zeros filled it up to a multiple of 16
  const std::size_t n = 5, d = 21, wide = 32;
  Losses narrow(normal(2 * n * d, 7), normal(2 * n * d, 8), n, d);
  std::vector<float> student(2 * n * wide), teacher = student;
  for (std::size_t p = 0; p < 2 * n; ++p) {
    std::copy_n(&narrow.student[p * d], d, &student[p * wide]);
    std::copy_n(&narrow.teacher[p * d], d, &teacher[p * wide]);
  }
  Losses filled(student, teacher, n, wide);
  narrow.run(scalar);
  filled.run(scalar);
  CHECK(narrow.loss == filled.loss);
  CHECK(narrow.rhythm_loss == filled.rhythm_loss);
  for (auto gradient : {&Losses::d_student, &Losses::d_teacher, &Losses::d_rhythm}) {
    for (std::size_t p = 0; p < 2 * n; ++p) {
      CHECK(same_bits(&(narrow.*gradient)[p * d], &(filled.*gradient)[p * wide], d));
    }
  }
}

TEST(nothing_to_compare_is_no_loss) {
  const std::uint8_t none[] = {0, 0, 0, 1, 0, 1};
  Losses losses(normal(2 * 3 * 16, 9), normal(2 * 3 * 16, 10), 3, 16, none);
  losses.run(scalar);
  CHECK_EQ(losses.loss[0], 0.0);
  CHECK_EQ(losses.rhythm_loss[0], 0.0);
  for (std::size_t i = 0; i < 3 * 16; ++i) {
    CHECK_EQ(losses.d_student[i], 0.0f);
    CHECK_EQ(losses.d_rhythm[i], 0.0f);
  }
  Losses alone(normal(16, 11), normal(16, 12), 1, 16);  // one patch: it is at its place, and has no distance
  alone.run(scalar);
  CHECK_EQ(alone.loss[0], 0.0);
  CHECK_EQ(alone.rhythm_loss[0], 0.0);
  for (float value : alone.d_student) CHECK(std::fabs(value) < 1e-6f);
  for (float value : alone.d_rhythm) CHECK_EQ(value, 0.0f);
}

TEST(numbers_that_are_not_finite_show_in_the_loss) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e25f}) {
    for (const bool in_teacher : {false, true}) {
      Losses losses(normal(2 * 3 * 16, 13), normal(2 * 3 * 16, 14), 3, 16);
      (in_teacher ? losses.teacher : losses.student)[3 * 16 + 20] = bad;
      for (const Kernels* table : {&scalar, tables().empty() ? &scalar : tables()[0]}) {
        losses.run(*table);
        CHECK(std::isfinite(losses.loss[0]) && std::isfinite(losses.rhythm_loss[0]));
        CHECK(std::isnan(losses.loss[1]) && std::isnan(losses.rhythm_loss[1]));
      }
    }
  }
}

}  // namespace
