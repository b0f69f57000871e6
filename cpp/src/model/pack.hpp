// Weights in their file -> the panels that a kernel table wants. Everything that costs nothing at load is
// folded in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.hpp"
#include "model/weights.hpp"

namespace ppgfast {

// Cuts a block of floats into pieces that start at multiples of 64 bytes. A null block only measures.
class Carver {
 public:
  explicit Carver(float* block) noexcept : block_(block) {}

  float* take(std::size_t floats) noexcept {
    float* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += kernels::padded(floats);
    return piece;
  }
  std::size_t used() const noexcept { return used_; }

 private:
  float* block_;
  std::size_t used_ = 0;
};

// Where a product in s8 puts its quantised inputs.
struct QuantizedRows {
  std::uint8_t* q = nullptr;
  float* scale = nullptr;

  static QuantizedRows carve(Carver& carver, std::size_t rows, std::size_t widest) noexcept {
    auto* q = reinterpret_cast<std::uint8_t*>(
        carver.take(rows * kernels::quantized_stride(widest) / sizeof(float)));
    return {q, carver.take(rows)};
  }
};

// A packed Linear, ready to run.
struct Linear {
  const void* panels = nullptr;
  std::size_t n_panels = 0;
  std::size_t k = 0;
  Precision precision = Precision::f32;

  // x (rows, k) with stride x_stride -> y (rows, padded n) with stride y_stride
  void run(const kernels::Kernels& kernel, const float* x, std::size_t x_stride, std::size_t rows, float* y,
           std::size_t y_stride, const QuantizedRows& quantized,
           kernels::Epilogue epilogue = kernels::Epilogue::none) const noexcept {
    if (precision == Precision::f32) {
      kernel.linear_f32(
          {x, x_stride, rows, k, static_cast<const float*>(panels), n_panels, y, y_stride, epilogue});
    } else {
      kernel.quantize_s8({x, x_stride, rows, k, quantized.q, quantized.scale});
      kernel.linear_s8_f32({quantized.q, quantized.scale, rows, k, static_cast<const std::uint8_t*>(panels),
                            n_panels, y, y_stride, epilogue});
    }
  }
};

// Row n of a packed product: gain times a row of a tensor, bias included, and a further bias; no tensor means
// padding.
struct SourceRow {
  const LinearTensors* tensors = nullptr;
  std::size_t row = 0;
  double gain = 1.0;
  double shift = 0.0;
};
constexpr std::size_t no_column = static_cast<std::size_t>(-1);

// Packs a Linear of `n` outputs and `k` inputs. `row(n)` says where an output comes from, `column(k)` which
// column of the tensor an input is (or no_column), `column_gain(k)` what f32 weights are multiplied with: in
// s8 that is in them.
template <typename Row, typename Column, typename Gain>
Linear pack_linear(Carver& carver, const kernels::Kernels& kernel, Precision precision, std::size_t n,
                   std::size_t k, Row row, Column column, Gain column_gain) noexcept {
  const bool is_s8 = precision == Precision::s8;
  const std::size_t element = is_s8 ? sizeof(std::int8_t) : sizeof(float);
  const kernels::Layout layout = is_s8 ? kernel.layout_s8 : kernel.layout;
  const std::size_t panels = kernels::round_up(n, layout.nr) / layout.nr, K = kernels::round_up(k, layout.kr);
  const std::size_t panel_bytes = is_s8 ? layout.nr * (12 + K) : layout.nr * (1 + K) * sizeof(float);
  float* const block = carver.take(kernels::round_up(panels * panel_bytes, sizeof(float)) / sizeof(float));
  const Linear packed{block, panels, k, precision};
  if (block == nullptr) return packed;

  for (std::size_t p = 0; p < panels; ++p) {
    auto* const panel = reinterpret_cast<unsigned char*>(block) + p * panel_bytes;
    const std::size_t header = is_s8 ? 12 * layout.nr : 4 * layout.nr;
    std::memset(panel, 0, panel_bytes);
    for (std::size_t i = 0; i < layout.nr && p * layout.nr + i < n; ++i) {
      const SourceRow source = row(p * layout.nr + i);
      if (source.tensors == nullptr) continue;
      const LinearTensors& t = *source.tensors;
      const std::size_t first = source.row * t.columns;
      const auto write_float = [&](std::size_t at, double value) noexcept {
        const auto rounded = static_cast<float>(value);
        std::memcpy(panel + at, &rounded, sizeof(rounded));
      };
      write_float(4 * i, (t.bias.empty() ? 0.0 : t.bias[source.row] * source.gain) + source.shift);
      std::int32_t sum = 0;
      unsigned char* to =
          panel + header + i * layout.kr * element;  // the first of kr inputs; nr outputs lie between
      for (std::size_t j0 = 0; j0 < k; j0 += layout.kr, to += layout.nr * layout.kr * element) {
        for (std::size_t j = j0; j < j0 + layout.kr && j < k; ++j) {
          const std::size_t c = column(j);
          if (c == no_column) continue;
          if (is_s8) {
            to[j - j0] = static_cast<unsigned char>(t.s8[first + c]);
            sum += t.s8[first + c];
          } else {
            const auto value = static_cast<float>(t.weight[first + c] * source.gain * column_gain(j));
            std::memcpy(to + (j - j0) * element, &value, element);
          }
        }
      }
      if (is_s8) {
        const std::int32_t correction = kernel.activation_offset * sum;
        write_float(4 * (layout.nr + i), t.scale[source.row] * source.gain);
        std::memcpy(panel + 4 * (2 * layout.nr + i), &correction, sizeof(correction));
      }
    }
  }
  return packed;
}

// The plain case: the tensor as it is.
inline Linear pack_linear(Carver& carver, const kernels::Kernels& kernel, Precision precision, std::size_t n,
                          const LinearTensors& tensors) noexcept {
  return pack_linear(
      carver, kernel, precision, n, tensors.columns, [&](std::size_t i) { return SourceRow{&tensors, i}; },
      [](std::size_t j) { return j; }, [](std::size_t) { return 1.0; });
}

}  // namespace ppgfast
