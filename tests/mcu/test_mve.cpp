// Every op of the mve table returns the bits of the scalar one, subnormal numbers and NaN included, and
// writes nothing beside its output: on the processor itself, or an emulator of it.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "kernels/kernels.hpp"
#include "startup.h"

extern "C" void free(void*) {}

namespace {

using namespace ppgfast::kernels;

// The same numbers every time.
std::uint64_t state = 1;
std::uint32_t random_bits() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<std::uint32_t>(state >> 32);
}
std::size_t below(std::size_t n) { return random_bits() % n; }

enum class Fill { zero, alternating, huge, tiny, random, mixed, wild };  // tiny: subnormal; wild: any finite
constexpr Fill fills[] = {Fill::zero,   Fill::alternating, Fill::huge, Fill::tiny,
                          Fill::random, Fill::mixed,       Fill::wild};

float number(Fill how, std::size_t i) {
  const float sign = i % 2 == 0 ? 1.0f : -1.0f;
  const float usual = static_cast<float>(static_cast<std::int32_t>(random_bits())) * 1e-9f;  // -2 to 2
  float any;
  switch (how) {
    case Fill::zero:
      return 0.0f;
    case Fill::alternating:
      return sign;
    case Fill::huge:
      return sign * 1e15f;
    case Fill::tiny:
      return sign * 1e-40f;
    case Fill::random:
      return usual;
    case Fill::mixed:  // here and there a product or a sum that is subnormal
      return random_bits() % 64 == 0 ? usual * 1e-38f : usual;
    case Fill::wild:
      break;
  }
  do {
    const std::uint32_t bits = random_bits();
    std::memcpy(&any, &bits, sizeof(any));
  } while (!std::isfinite(any));
  return any;
}

// Inputs, and two outputs with room around them.
constexpr std::size_t room = 16, most = 6144;
alignas(64) float x[most], weights[most], gain[most], shift[most], scratch[most];
alignas(64) float expected[room + most + room], got[room + most + room];
alignas(64) std::uint8_t panels[16384], quantized[2][8192];
float scale[2][64];
unsigned compared = 0, failed = 0;

void fill(float* to, std::size_t n, Fill how) {
  for (std::size_t i = 0; i < n; ++i) to[i] = number(how, i);
}

void check(bool passed, const char* op, std::size_t rows, std::size_t k, Fill how) {
  ++compared;
  if (passed) return;
  if (++failed > 10) return;
  write_text(op);
  write_text(" differs: rows, k, fill ");
  for (const std::size_t value : {rows, k, static_cast<std::size_t>(how)}) {
    write_number(static_cast<std::uint32_t>(value));
    write_text(" ");
  }
  write_text("\n");
}

// The outputs and what lies around them; which of its many patterns a NaN has is up to the processor.
bool same(std::size_t n) {
  for (std::size_t i = 0; i < room + n + room; ++i) {
    const bool both_nan = std::isnan(expected[i]) && std::isnan(got[i]);
    if (!both_nan && std::memcmp(expected + i, got + i, sizeof(float)) != 0) return false;
  }
  return true;
}

template <typename Run>
void compare(const char* op, std::size_t rows, std::size_t k, std::size_t n, Fill how, Run run) {
  for (std::size_t i = 0; i < room + n + room; ++i) expected[i] = got[i] = number(Fill::mixed, i);
  run(scalar, expected + room);
  run(mve, got + room);
  check(same(n), op, rows, k, how);
}

void linear(std::size_t rows, std::size_t k, std::size_t n_panels, Epilogue epilogue, Fill how) {
  const std::size_t n = n_panels * 16;
  fill(x, rows * k, how);
  fill(weights, n_panels * (16 + 16 * k), Fill::random);
  compare("linear_f32", rows, k, rows * n, how, [&](const Kernels& kernel, float* y) {
    kernel.linear_f32({x, k, rows, k, weights, n_panels, y, n, epilogue});
  });
}

void linear_s8(std::size_t rows, std::size_t k, std::size_t n_panels, Epilogue epilogue, Fill how) {
  const std::size_t n = n_panels * 16, stride = quantized_stride(k), K = round_up(k, scalar.layout_s8.kr);
  fill(x, rows * k, how);
  scalar.quantize_s8({x, k, rows, k, quantized[0], scale[0]});
  mve.quantize_s8({x, k, rows, k, quantized[1], scale[1]});
  check(std::memcmp(quantized[0], quantized[1], rows * stride) == 0 &&
            std::memcmp(scale[0], scale[1], rows * sizeof(float)) == 0,
        "quantize_s8", rows, k, how);
  for (std::size_t p = 0; p < n_panels; ++p) {
    std::uint8_t* const panel = panels + p * 16 * (12 + K);
    float bias_and_scale[32];
    fill(bias_and_scale, 32, how == Fill::mixed ? Fill::mixed : Fill::random);
    std::memcpy(panel, bias_and_scale, sizeof(bias_and_scale));
    for (std::size_t i = 12 * 16; i < 16 * (12 + K); ++i) {
      panel[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(static_cast<int>(below(255)) - 127));
    }
  }
  compare("linear_s8_f32", rows, k, rows * n, how, [&](const Kernels& kernel, float* y) {
    kernel.linear_s8_f32({quantized[0], scale[0], rows, k, panels, n_panels, y, n, epilogue});
  });
}

// Rows of `width` numbers with zeros up to the next multiple of 16.
void fill_padded(float* to, std::size_t rows, std::size_t width, Fill how) {
  for (std::size_t i = 0; i < rows * padded(width); ++i)
    to[i] = i % padded(width) < width ? number(how, i) : 0.0f;
}

void rmsnorm(std::size_t rows, std::size_t width, Fill how) {
  fill_padded(x, rows, width, how);
  compare("rmsnorm_f32", rows, width, rows * padded(width), how, [&](const Kernels& kernel, float* y) {
    kernel.rmsnorm_f32({x, rows, width, padded(width), 1e-8f, y});
  });
}

void attention(std::size_t tokens, std::size_t heads, std::size_t d_head, Fill how) {
  const std::size_t rotated = padded(d_head / 2), n = tokens * heads * d_head;
  fill(x, 3 * n, how);
  fill(gain, tokens * rotated, Fill::random);
  fill(shift, tokens * rotated, Fill::random);
  compare("attention_f32", tokens, d_head, n, how, [&](const Kernels& kernel, float* y) {
    fill(scratch, attention_scratch(tokens, d_head), Fill::random);  // what an earlier call left there
    kernel.attention_f32({x, tokens, heads, d_head, rotated, gain, shift, y, scratch});
  });
}

void head(std::size_t tokens, std::size_t width, std::size_t outputs, Fill how) {
  const std::size_t stride = padded(width);
  fill_padded(x, tokens, width, how);
  fill_padded(gain, tokens, width, Fill::random);
  fill_padded(shift, tokens, width, Fill::mixed);
  fill_padded(weights, outputs * tokens, width, Fill::random);
  const float bias[4] = {number(Fill::random, 0), 0.0f, 1e-40f, -1.0f};
  compare("head_f32", tokens, width, outputs, how, [&](const Kernels& kernel, float* y) {
    kernel.head_f32({x, tokens, width, stride, 1e-5f, gain, shift, weights, bias, outputs, y, scratch});
  });
}

}  // namespace

int firmware() {
  unsigned round = 0;
  for (const Fill how : fills) {
    for (std::size_t k = 1; k <= 68; k += k < 20 ? 1 : 12, ++round) {
      const auto epilogue = static_cast<Epilogue>(round % 4);
      linear(1 + round % 7, k, 1 + round % 3, epilogue, how);
      linear_s8(1 + round % 7, k, 1 + round % 3, epilogue, how);
    }
    linear_s8(9, 128, 2, Epilogue::residual, how);
    linear_s8(9, 176, 2, Epilogue::residual_relu, how);
    for (std::size_t width = 1; width <= 100; width += 11) rmsnorm(3, width, how);
    for (std::size_t tokens = 1; tokens <= 19; ++tokens) attention(tokens, 2, 16 * (1 + tokens % 2), how);
    for (std::size_t width = 1; width <= 100; width += 9) head(9, width, 3, how);
  }
  const float special[] = {127.0f, 0.5f, 1.5f, -0.5f, -1.5f, NAN, 2.5f, -126.5f, INFINITY, -INFINITY};
  for (std::size_t k = 1; k <= 10; ++k) {
    for (const Kernels* kernel : {&scalar, &mve}) {
      const bool is_mve = kernel == &mve;
      kernel->quantize_s8({special, k, 1, k, quantized[is_mve], scale[is_mve]});
    }
    check(std::memcmp(quantized[0], quantized[1], 64) == 0 && scale[0][0] == scale[1][0], "quantize_s8", 1, k,
          Fill::wild);
  }
  write_text("compared ");
  write_number(compared);
  write_text("\n");
  return failed == 0 ? 0 : 1;
}
