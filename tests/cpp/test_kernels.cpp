// Every kernel table returns the bits of the scalar one, and writes nothing beside its output.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "check.hpp"
#include "kernel_cases.hpp"
#include "kernels/kernels.hpp"
#include "kernels/scalar_math.hpp"
#include "model/pack.hpp"

namespace {

using namespace kernel_cases;
using namespace ppgfast::kernels;

void compare_linear(const Kernels& table, std::size_t rows, std::size_t k, std::size_t n_panels,
                    Epilogue epilogue, Fill fill, std::size_t shift) {
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + k));
  const std::size_t n = n_panels * 16, x_stride = k + shift, y_stride = n + shift;
  Guarded x(rows * x_stride, shift), panels(n_panels * (16 + 16 * k));
  x.fill(fill, random);
  panels.fill(Fill::random, random);
  Guarded expected(rows * y_stride, shift), got(rows * y_stride, shift);
  for (Guarded* y : {&expected, &got}) {
    std::mt19937 same(7);
    y->fill(Fill::random, same);
  }
  const auto run = [&](const Kernels& kernel, Guarded& y) {
    kernel.linear_f32({x.data(), x_stride, rows, k, panels.data(), n_panels, y.data(), y_stride, epilogue});
  };
  run(scalar, expected);
  run(table, got);
  if (!CHECK(same_bits(expected.data(), got.data(), rows * y_stride)) || !CHECK(got.intact())) {
    std::cout << "  linear_f32 " << table.name << " rows " << rows << " k " << k << " panels " << n_panels
              << " epilogue " << static_cast<int>(epilogue) << " shift " << shift << "\n";
  }
}

constexpr Epilogue epilogues[] = {Epilogue::none, Epilogue::relu, Epilogue::residual,
                                  Epilogue::residual_relu};

TEST(linear_matches_scalar_for_every_size) {
  for (const Kernels* table : tables()) {
    for (std::size_t rows = 0; rows <= 33; ++rows) {
      for (std::size_t k :
           {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 127, 128, 129, 192, 255}) {
        compare_linear(*table, rows, k, 1 + rows % 3, epilogues[(rows + k) % 4], Fill::random, rows % 16);
      }
    }
  }
}

TEST(linear_matches_scalar_for_every_fill_and_epilogue) {
  for (const Kernels* table : tables()) {
    for (Fill fill : fills) {
      for (Epilogue epilogue : epilogues) compare_linear(*table, 9, 128, 2, epilogue, fill, 0);
    }
  }
}

TEST(linear_is_a_matrix_product) {  // the definition itself, against sums in double
  std::mt19937 random(3);
  const std::size_t rows = 5, k = 40;
  Guarded x(rows * k), panels(16 + 16 * k), y(rows * 16);
  x.fill(Fill::random, random);
  panels.fill(Fill::random, random);
  scalar.linear_f32({x.data(), k, rows, k, panels.data(), 1, y.data(), 16, Epilogue::none});
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t n = 0; n < 16; ++n) {
      double sum = panels.data()[n];
      for (std::size_t i = 0; i < k; ++i) {
        sum += static_cast<double>(x.data()[r * k + i]) * panels.data()[16 + i * 16 + n];
      }
      CHECK(std::fabs(sum - y.data()[r * 16 + n]) < 1e-5);
    }
  }
}

// The packed panels and quantised inputs differ from table to table; what comes out may not.
void compare_linear_s8(const Kernels& table, std::size_t rows, std::size_t k, std::size_t n,
                       Epilogue epilogue, Fill fill, int weights) {
  std::mt19937 random(static_cast<unsigned>(rows * 1000 + k));
  const std::size_t padded_n = padded(n);
  Guarded x(rows * k), bias(n), scale(n);
  x.fill(fill, random);
  bias.fill(Fill::random, random);
  scale.fill(Fill::one, random);
  std::vector<std::int8_t> w(n * k);
  for (std::size_t i = 0; i < w.size(); ++i) {
    // At the limits: pairs of opposite sign at +-127, pairs of one sign at 129 together.
    const bool second = i % k % 2 == 1;
    if (weights == 0) w[i] = static_cast<std::int8_t>(static_cast<int>(random() % 129) - 64);
    if (weights == 1) w[i] = second ? -127 : 127;
    if (weights == 2) w[i] = second ? 64 : 65;
    if (weights == 3) w[i] = second ? -2 : -127;
  }
  ppgfast::LinearTensors tensors;
  tensors.s8 = w.data();
  tensors.scale = ppgfast::TensorF32(reinterpret_cast<const unsigned char*>(scale.data()));
  tensors.bias = ppgfast::TensorF32(reinterpret_cast<const unsigned char*>(bias.data()));
  tensors.columns = k;

  const auto run = [&](const Kernels& kernel, Guarded& y) {
    ppgfast::Carver measure(nullptr);
    ppgfast::pack_linear(measure, kernel, ppgfast::Precision::s8, n, tensors.columns, tensors);
    Guarded block(measure.used()), quantized(rows * quantized_stride(k) / sizeof(float)), row_scale(rows);
    ppgfast::Carver carver(block.data());
    const ppgfast::Linear linear =
        ppgfast::pack_linear(carver, kernel, ppgfast::Precision::s8, n, tensors.columns, tensors);
    const ppgfast::QuantizedRows inputs{reinterpret_cast<std::uint8_t*>(quantized.data()), row_scale.data()};
    std::mt19937 same(7);
    y.fill(Fill::random, same);
    linear.run(kernel, x.data(), k, rows, y.data(), padded_n, inputs, epilogue);
    CHECK(block.intact() && quantized.intact() && row_scale.intact() && y.intact());
  };
  Guarded expected(rows * padded_n), got(rows * padded_n);
  run(scalar, expected);
  run(table, got);
  if (!CHECK(same_bits(expected.data(), got.data(), rows * padded_n))) {
    std::cout << "  linear_s8_f32 " << table.name << " rows " << rows << " k " << k << " n " << n << " fill "
              << static_cast<int>(fill) << " weights " << weights << "\n";
  }
}

TEST(linear_s8_matches_scalar_for_every_size) {
  for (const Kernels* table : tables()) {
    for (std::size_t rows = 1; rows <= 33; ++rows) {
      for (std::size_t k : {1, 2, 3, 4, 5, 15, 16, 17, 31, 40, 63, 64, 65, 128, 255, 512}) {
        compare_linear_s8(*table, rows, k, 1 + rows % 33, epilogues[(rows + k) % 4], Fill::random, 0);
      }
    }
  }
}

TEST(linear_s8_is_exact_at_the_limits) {
  for (const Kernels* table : tables()) {
    for (int weights = 0; weights < 4; ++weights) {
      for (Fill fill : fills) compare_linear_s8(*table, 7, 2048, 16, Epilogue::none, fill, weights);
    }
  }
}

TEST(quantising_rounds_to_nearest_even_and_survives_nan) {
  const float values[] = {127.0f, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, NAN, 126.5f};
  const std::int8_t expected[] = {127, 0, 2, 0, -2, 2, -127, 126};
  std::vector<const Kernels*> all = tables();
  all.push_back(&scalar);
  for (const Kernels* table : all) {
    std::uint8_t q[64];
    float scale;
    table->quantize_s8({values, 8, 1, 8, q, &scale});
    CHECK_EQ(scale, 1.0f);
    for (int i = 0; i < 8; ++i) {
      const auto stored = static_cast<std::uint8_t>(expected[i] + table->activation_offset);
      CHECK_EQ(static_cast<int>(q[i]), static_cast<int>(stored));
    }
  }
}

// Rows of `width` numbers with zeros up to the next multiple of 16, as the model keeps them.
void fill_padded(Guarded& x, std::size_t rows, std::size_t width, Fill fill, std::mt19937& random) {
  const std::size_t stride = padded(width);
  x.fill(fill, random);
  for (std::size_t i = 0; i < rows * stride; ++i) {
    if (i % stride >= width) x.data()[i] = 0.0f;
  }
}

void compare_rmsnorm(const Kernels& table, std::size_t rows, std::size_t width, Fill fill) {
  std::mt19937 random(static_cast<unsigned>(width));
  const std::size_t count = rows * padded(width);
  Guarded x(count), expected(count), got(count);
  fill_padded(x, rows, width, fill, random);
  scalar.rmsnorm_f32({x.data(), rows, width, padded(width), 1e-8f, expected.data()});
  table.rmsnorm_f32({x.data(), rows, width, padded(width), 1e-8f, got.data()});
  if (!CHECK(same_bits(expected.data(), got.data(), count)) || !CHECK(got.intact())) {
    std::cout << "  rmsnorm_f32 " << table.name << " rows " << rows << " width " << width << " fill "
              << static_cast<int>(fill) << "\n";
  }
}

TEST(rmsnorm_matches_scalar) {
  for (const Kernels* table : tables()) {
    for (std::size_t width :
         {1, 4, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 192, 255, 512}) {
      for (Fill fill : fills) compare_rmsnorm(*table, 5, width, fill);
    }
  }
}

void compare_attention(const Kernels& table, std::size_t tokens, std::size_t heads, std::size_t d_head,
                       Fill fill) {
  std::mt19937 random(static_cast<unsigned>(tokens + d_head));
  const std::size_t count = tokens * heads * d_head, rotated = padded(d_head / 2);
  Guarded qkv(3 * count), cosine(tokens * rotated), sine(tokens * rotated), expected(count), got(count);
  Guarded scratch_a(attention_scratch(tokens, d_head)), scratch_b(attention_scratch(tokens, d_head));
  qkv.fill(fill, random);
  for (std::size_t i = 0; i < tokens * rotated; ++i) {
    const float angle = static_cast<float>(i / rotated) * std::pow(0.1f, static_cast<float>(i % rotated / 2));
    cosine.data()[i] = std::cos(angle);
    sine.data()[i] = i % 2 == 0 ? -std::sin(angle) : std::sin(angle);
  }
  scratch_b.fill(Fill::ramp, random);  // what an earlier call left there must not matter
  const auto run = [&](const Kernels& kernel, Guarded& y, Guarded& scratch) {
    kernel.attention_f32(
        {qkv.data(), tokens, heads, d_head, rotated, cosine.data(), sine.data(), y.data(), scratch.data()});
  };
  run(scalar, expected, scratch_a);
  run(table, got, scratch_b);
  if (!CHECK(same_bits(expected.data(), got.data(), count)) || !CHECK(got.intact()) ||
      !CHECK(scratch_b.intact())) {
    std::cout << "  attention_f32 " << table.name << " tokens " << tokens << " heads " << heads << " d_head "
              << d_head << " fill " << static_cast<int>(fill) << "\n";
  }
}

TEST(attention_matches_scalar) {
  for (const Kernels* table : tables()) {
    for (std::size_t tokens = 1; tokens <= 34; ++tokens)
      compare_attention(*table, tokens, 2, 32, Fill::random);
    for (std::size_t d_head : {16, 48, 64, 128}) compare_attention(*table, 11, 3, d_head, Fill::random);
    for (Fill fill : fills) compare_attention(*table, 13, 1, 16, fill);
  }
}

TEST(attention_is_causal) {
  const std::size_t tokens = 9, d_head = 16;
  std::mt19937 random(5);
  Guarded qkv(tokens * 3 * d_head), cosine(tokens * d_head), sine(tokens * d_head), before(tokens * d_head),
      after(tokens * d_head), scratch(attention_scratch(tokens, d_head));
  qkv.fill(Fill::random, random);
  cosine.fill(Fill::one, random);
  const auto run = [&](Guarded& y) {
    scalar.attention_f32(
        {qkv.data(), tokens, 1, d_head, d_head, cosine.data(), sine.data(), y.data(), scratch.data()});
  };
  run(before);
  for (std::size_t i = 5 * 3 * d_head; i < tokens * 3 * d_head; ++i) qkv.data()[i] += 1.0f;
  run(after);
  CHECK(same_bits(before.data(), after.data(), 5 * d_head));
  CHECK(!same_bits(before.data(), after.data(), tokens * d_head));
}

void compare_attention_step(const Kernels& table, std::size_t keys, std::size_t heads, std::size_t d_head,
                            Fill fill) {
  std::mt19937 random(static_cast<unsigned>(keys + d_head));
  const std::size_t width = heads * d_head, key_stride = padded(keys) + 16, bias_stride = padded(keys) + 5;
  Guarded query(width), key(width * key_stride), value(keys * width), bias(heads * bias_stride);
  Guarded expected(width), got(width), scratch_a(padded(keys)), scratch_b(padded(keys));
  query.fill(fill, random);
  key.fill(fill, random);
  value.fill(fill, random);
  bias.fill(Fill::random, random);
  scratch_b.fill(Fill::ramp, random);
  const auto run = [&](const Kernels& kernel, Guarded& y, Guarded& scratch) {
    kernel.attention_step_f32({query.data(), key.data(), key_stride, value.data(), bias.data(), bias_stride,
                               keys, heads, d_head, y.data(), scratch.data()});
  };
  run(scalar, expected, scratch_a);
  run(table, got, scratch_b);
  if (!CHECK(same_bits(expected.data(), got.data(), width)) || !CHECK(got.intact()) ||
      !CHECK(scratch_b.intact())) {
    std::cout << "  attention_step_f32 " << table.name << " keys " << keys << " heads " << heads << " d_head "
              << d_head << " fill " << static_cast<int>(fill) << "\n";
  }
}

TEST(attention_step_matches_scalar) {
  for (const Kernels* table : tables()) {
    for (std::size_t keys = 1; keys <= 34; ++keys) compare_attention_step(*table, keys, 2, 32, Fill::random);
    for (std::size_t d_head : {16, 48, 128}) compare_attention_step(*table, 8, 3, d_head, Fill::random);
    for (Fill fill : fills) compare_attention_step(*table, 13, 1, 16, fill);
  }
}

TEST(attention_step_is_the_last_row_of_attention) {
  std::mt19937 random(6);
  for (const std::size_t tokens : {1u, 7u, 16u, 31u}) {
    const std::size_t heads = 2, d_head = 16, A = heads * d_head, stride = padded(tokens);
    Guarded qkv(tokens * 3 * A), cosine(tokens * d_head), sine(tokens * d_head), all(tokens * A), last(A);
    Guarded key(A * stride), value(tokens * A), bias(heads * stride),
        scratch(attention_scratch(tokens, d_head));
    qkv.fill(Fill::random, random);
    cosine.fill(Fill::one, random);
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* const row = qkv.data() + t * 3 * A;
      for (std::size_t c = 0; c < A; ++c) key.data()[c * stride + t] = row[A + c];
      std::copy(row + 2 * A, row + 3 * A, value.data() + t * A);
    }
    scalar.attention_f32(
        {qkv.data(), tokens, heads, d_head, d_head, cosine.data(), sine.data(), all.data(), scratch.data()});
    scalar.attention_step_f32({qkv.data() + (tokens - 1) * 3 * A, key.data(), stride, value.data(),
                               bias.data(), stride, tokens, heads, d_head, last.data(), scratch.data()});
    CHECK(same_bits(all.data() + (tokens - 1) * A, last.data(), A));
  }
}

void compare_head(const Kernels& table, std::size_t tokens, std::size_t width, std::size_t outputs,
                  Fill fill) {
  std::mt19937 random(static_cast<unsigned>(width));
  const std::size_t stride = padded(width), count = tokens * stride;
  Guarded x(count), gain(count), shift(count), weight(outputs * count), bias(outputs);
  Guarded expected(outputs), got(outputs), scratch(count);
  fill_padded(x, tokens, width, fill, random);
  fill_padded(gain, tokens, width, Fill::random, random);
  fill_padded(shift, tokens, width, Fill::random, random);
  fill_padded(weight, outputs * tokens, width, Fill::random, random);
  bias.fill(Fill::random, random);
  const auto run = [&](const Kernels& kernel, Guarded& y) {
    kernel.head_f32({x.data(), tokens, width, stride, 1e-5f, gain.data(), shift.data(), weight.data(),
                     bias.data(), outputs, y.data(), scratch.data()});
  };
  run(scalar, expected);
  run(table, got);
  if (!CHECK(same_bits(expected.data(), got.data(), outputs)) || !CHECK(got.intact() && scratch.intact())) {
    std::cout << "  head_f32 " << table.name << " tokens " << tokens << " width " << width << " fill "
              << static_cast<int>(fill) << "\n";
  }
}

TEST(head_matches_scalar) {
  for (const Kernels* table : tables()) {
    for (std::size_t width : {1, 15, 16, 17, 31, 32, 33, 100, 127, 128, 129}) {
      for (Fill fill : fills) compare_head(*table, 9, width, 3, fill);
    }
  }
}

// Shapes that nobody thought of. PPGFAST_KERNEL_FUZZ_ROUNDS asks for more of them.
TEST(random_shapes_match_scalar) {
  const char* const wanted = std::getenv("PPGFAST_KERNEL_FUZZ_ROUNDS");
  const unsigned rounds = wanted == nullptr ? 150 : static_cast<unsigned>(std::strtoul(wanted, nullptr, 10));
  std::mt19937 random(20);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (unsigned round = 0; round < rounds; ++round) {
    const std::size_t rows = 1 + below(70), k = 1 + below(300), panels = 1 + below(5), shift = below(16);
    const std::size_t tokens = 1 + below(60), heads = 1 + below(4), d_head = 16 * (1 + below(5));
    const std::size_t width = 1 + below(300), outputs = 1 + below(4), weights = below(4);
    const Fill fill = fills[below(8)];
    const Epilogue epilogue = epilogues[below(4)];
    for (const Kernels* table : tables()) {
      compare_linear(*table, rows, k, panels, epilogue, fill, shift);
      compare_linear_s8(*table, rows, k, panels * 16 - shift, epilogue, fill, static_cast<int>(weights));
      compare_rmsnorm(*table, rows, width, fill);
      compare_attention(*table, tokens, heads, d_head, fill);
      compare_head(*table, tokens, width, outputs, fill);
    }
  }
}

TEST(exp_and_erf_are_accurate) {
  double worst_exp = 0.0, worst_erf = 0.0;
  for (double x = -86.0; x < 1.0; x += 0.00137) {
    const double exact = std::exp(static_cast<double>(static_cast<float>(x)));
    worst_exp = std::max(worst_exp, std::fabs(exp_f32(static_cast<float>(x)) / exact - 1.0));
  }
  for (double x = -6.0; x < 6.0; x += 0.00021) {
    const double exact = std::erf(static_cast<double>(static_cast<float>(x)));
    worst_erf = std::max(worst_erf, std::fabs(erf_f32(static_cast<float>(x)) - exact));
  }
  CHECK(worst_exp < 1.2e-7);
  CHECK(worst_erf < 4e-7);
  CHECK_EQ(exp_f32(0.0f), 1.0f);
  CHECK(exp_f32(-1e30f) < 1e-37f);
  CHECK(std::isfinite(exp_f32(1e30f)));
}

}  // namespace
