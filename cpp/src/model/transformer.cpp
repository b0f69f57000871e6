#include "model/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ppgfast {

void TransformerTensors::read(TensorReader& tensor, unsigned i, std::size_t d, Precision precision) noexcept {
  char full[64];
  const auto name = [&](const char* tail) noexcept {
    std::snprintf(full, sizeof(full), "layer.%02u.%s", i, tail);
    return full;
  };
  query = tensor.linear(name("attention.query"), d, d, precision);
  key = tensor.linear(name("attention.key"), d, d, precision);
  value = tensor.linear(name("attention.value"), d, d, precision);
  out = tensor.linear(name("attention.out"), d, d, precision);
  up = tensor.linear(name("ffn.up"), 4 * d, d, precision);
  down = tensor.linear(name("ffn.down"), d, 4 * d, precision);
  if (precision != Precision::f32) return;
  attention_norm = tensor.f32(name("attention.norm"), d);
  ffn_norm = tensor.f32(name("ffn.norm"), d);
}

// One product for queries, keys and values, one head after the other, each padded to Dh; the norm's scale
// goes into its columns, 1 / sqrt(d_head) into the queries. The output product has the same padding on its
// inputs.
void TransformerProducts::pack_attention(Carver& carver, const kernels::Kernels& kernel,
                                         const TransformerTensors& t, const TransformerWidths& w,
                                         Precision precision) noexcept {
  const LinearTensors* const source[] = {&t.query, &t.key, &t.value};
  const double gain[] = {1.0 / std::sqrt(static_cast<double>(w.dh)), 1.0, 1.0};
  qkv = pack_linear(
      carver, kernel, precision, 3 * w.A, w.d,
      [&](std::size_t n) {
        const std::size_t which = n / w.A, head = n % w.A / w.Dh, c = n % w.Dh;
        return c < w.dh ? SourceRow{source[which], head * w.dh + c, gain[which]} : SourceRow{};
      },
      [](std::size_t k) { return k; }, [&](std::size_t k) { return t.attention_norm[k]; });
  out = pack_linear(
      carver, kernel, precision, w.d, w.A, [&](std::size_t n) { return SourceRow{&t.out, n}; },
      [&](std::size_t k) { return k % w.Dh < w.dh ? k / w.Dh * w.dh + k % w.Dh : no_column; },
      [](std::size_t) { return 1.0; });
}

void TransformerProducts::pack_ffn(Carver& carver, const kernels::Kernels& kernel,
                                   const TransformerTensors& t, const TransformerWidths& w,
                                   Precision precision) noexcept {
  up = pack_linear(
      carver, kernel, precision, 4 * w.d, w.d, [&](std::size_t n) { return SourceRow{&t.up, n}; },
      [](std::size_t k) { return k; }, [&](std::size_t k) { return t.ffn_norm[k]; });
  down = pack_linear(carver, kernel, precision, w.d, 4 * w.d, t.down);
}

TransformerScratch TransformerScratch::carve(Carver& carver, const TransformerWidths& w, std::size_t rows,
                                             Precision precision) noexcept {
  TransformerScratch s{};
  s.x = carver.take(rows * w.D);
  s.narrow = carver.take(rows * std::max(w.D, w.A));
  s.wide = carver.take(rows * std::max(3 * w.A, w.F));
  if (precision == Precision::s8) s.quantized = QuantizedRows::carve(carver, rows, std::max(w.A, 4 * w.d));
  return s;
}

}  // namespace ppgfast
