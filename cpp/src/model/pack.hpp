// Weights in their file -> the panels that a kernel table wants. Everything that costs nothing at load is
// folded in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.hpp"
#include "model/weights.hpp"

namespace ppgfast {

// A build for small devices opens packed models only: everything else of loading is dead code there.
#if defined(PPGFAST_SMALL_DEVICE)
constexpr bool packed_only = true;
#else
constexpr bool packed_only = false;
#endif

// Cuts a block of floats into pieces that start at multiples of 64 bytes. A null block only measures; one
// that was packed before, perhaps in a read-only memory, is taken as it is.
class Carver {
 public:
  explicit Carver(float* block) noexcept : block_(block), fills_(block != nullptr) {}
  static Carver adopt(const void* block) noexcept {
    Carver carver(static_cast<float*>(const_cast<void*>(block)));
    carver.fills_ = false;
    return carver;
  }

  // Whether pieces are to be written.
  bool fills() const noexcept { return !packed_only && fills_; }
  bool measures() const noexcept { return block_ == nullptr; }

  float* take(std::size_t floats) noexcept {
    float* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += kernels::padded(floats);
    return piece;
  }
  // A piece behind room for `before` more floats.
  float* take_after(std::size_t before, std::size_t floats) noexcept {
    float* const piece = take(kernels::padded(before) + floats);
    return piece == nullptr ? nullptr : piece + kernels::padded(before);
  }
  std::size_t used() const noexcept { return used_; }

 private:
  float* block_;
  bool fills_;
  std::size_t used_ = 0;
};

// Where a product in s8 puts its quantised inputs.
struct QuantizedRows {
  std::uint8_t* q = nullptr;
  float* scale = nullptr;

  // Room for the largest of several products.
  struct Extent {
    std::size_t rows = 0, bytes = 0;

    void include(std::size_t more_rows, std::size_t k) noexcept {
      const std::size_t more_bytes = more_rows * kernels::quantized_stride(k);
      rows = more_rows > rows ? more_rows : rows;
      bytes = more_bytes > bytes ? more_bytes : bytes;
    }
  };

  static QuantizedRows carve(Carver& carver, const Extent& extent) noexcept {
    auto* q = reinterpret_cast<std::uint8_t*>(carver.take(extent.bytes / sizeof(float)));
    return {q, carver.take(extent.rows)};
  }
  static QuantizedRows carve(Carver& carver, std::size_t rows, std::size_t widest) noexcept {
    Extent extent;
    extent.include(rows, widest);
    return carve(carver, extent);
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
// Output n of a Linear and the BatchNorm behind it; an empty one was folded in before.
inline SourceRow normalised(const LinearTensors& tensors, const BatchNormTensors& bn,
                            std::size_t n) noexcept {
  return bn.empty() ? SourceRow{&tensors, n} : SourceRow{&tensors, n, bn.gain(n), bn.shift(n)};
}

// Counts up whenever what `pack` writes changes: files of packed weights state it.
constexpr char packed_layout[] = "2";

constexpr std::size_t no_column = static_cast<std::size_t>(-1);

// The widest panel of any table.
constexpr std::size_t max_nr = 32;

// One panel of float32: nr biases, then for each input the weights of nr outputs. Inputs come in the outer
// loop so that the panel is written from front to back, and a column is looked up once for all outputs.
template <typename Column, typename Gain>
void pack_panel_f32(const SourceRow (&rows)[max_nr], kernels::Layout layout, std::size_t k, Column column,
                    Gain column_gain, float* panel) noexcept {
  TensorF32 source[max_nr];  // of the outputs that are no padding
  double gain[max_nr];
  std::size_t place[max_nr], count = 0;
  for (std::size_t i = 0; i < layout.nr; ++i) {
    const SourceRow& row = rows[i];
    const bool has_bias = row.tensors != nullptr && !row.tensors->bias.empty();
    panel[i] = static_cast<float>((has_bias ? row.tensors->bias[row.row] * row.gain : 0.0) + row.shift);
    if (row.tensors == nullptr) continue;
    source[count] = row.tensors->weight.from(row.row * row.tensors->columns);
    gain[count] = row.gain;
    place[count++] = i * layout.kr;
  }
  float* const weights = panel + layout.nr;
  for (std::size_t j = 0; j < k; ++j) {
    const std::size_t c = column(j);
    if (c == no_column) continue;
    const double with = column_gain(j);
    float* const to = weights + j / layout.kr * layout.kr * layout.nr + j % layout.kr;
    for (std::size_t i = 0; i < count; ++i) {
      to[place[i]] = static_cast<float>(source[i][c] * gain[i] * with);
    }
  }
}

// One panel of int8: biases, scales, corrections, then the weights, in groups of kr neighbours of one output.
template <typename Column>
void pack_panel_s8(const SourceRow (&rows)[max_nr], kernels::Layout layout, std::size_t k, Column column,
                   std::int32_t activation_offset, unsigned char* panel) noexcept {
  const std::size_t nr = layout.nr, kr = layout.kr;
  auto* const bias = reinterpret_cast<float*>(panel);
  auto* const correction = reinterpret_cast<std::int32_t*>(panel + 8 * nr);
  auto* const weights = reinterpret_cast<std::int8_t*>(panel + 12 * nr);
  const std::int8_t* source[max_nr];  // of the outputs that are no padding
  std::size_t place[max_nr], count = 0;
  for (std::size_t i = 0; i < nr; ++i) {
    const SourceRow& row = rows[i];
    if (row.tensors == nullptr) continue;
    const LinearTensors& t = *row.tensors;
    bias[i] = static_cast<float>((t.bias.empty() ? 0.0 : t.bias[row.row] * row.gain) + row.shift);
    bias[nr + i] = static_cast<float>(t.scale[row.row] * row.gain);
    source[count] = t.s8 + row.row * t.columns;
    place[count++] = i * kr;
  }
  for (std::size_t j = 0; j < k; j += kr) {
    std::int8_t* const to = weights + j * nr;
    const std::size_t n = k - j < kr ? k - j : kr, first = column(j);
    if (kr == 4 && n == 4 && first != no_column && column(j + 3) == first + 3) {
      for (std::size_t i = 0; i < count; ++i) std::memcpy(to + place[i], source[i] + first, 4);
      continue;
    }
    for (std::size_t l = 0; l < n; ++l) {
      const std::size_t c = column(j + l);
      for (std::size_t i = 0; c != no_column && i < count; ++i) to[place[i] + l] = source[i][c];
    }
  }
  if (activation_offset == 0) return;
  std::int32_t sum[max_nr] = {};
  for (std::size_t j = 0; j < k; j += kr) {
    for (std::size_t i = 0; i < nr; ++i) {
      for (std::size_t l = 0; l < kr; ++l) sum[i] += weights[j * nr + i * kr + l];
    }
  }
  for (std::size_t i = 0; i < nr; ++i) correction[i] = activation_offset * sum[i];
}

// Packs a Linear of `n` outputs and `k` inputs. `row(n)` says where an output comes from, `column(k)` which
// column of the tensor an input is (or no_column), `column_gain(k)` what f32 weights are multiplied with: in
// s8 that is in them.
template <typename Row, typename Column, typename Gain>
Linear pack_linear(Carver& carver, const kernels::Kernels& kernel, Precision precision, std::size_t n,
                   std::size_t k, Row row, Column column, Gain column_gain) noexcept {
  const bool is_s8 = precision == Precision::s8;
  const kernels::Layout layout = is_s8 ? kernel.layout_s8 : kernel.layout;
  const std::size_t panels = kernels::round_up(n, layout.nr) / layout.nr, K = kernels::round_up(k, layout.kr);
  const std::size_t panel_floats = is_s8 ? layout.nr * (12 + K) / sizeof(float) : layout.nr * (1 + K);
  float* const block = carver.take(panels * panel_floats);
  const Linear packed{block, panels, k, precision};
  if (!carver.fills()) return packed;

  std::memset(block, 0, panels * panel_floats * sizeof(float));
  for (std::size_t p = 0; p < panels; ++p) {
    SourceRow rows[max_nr];
    for (std::size_t i = 0; i < layout.nr && p * layout.nr + i < n; ++i) rows[i] = row(p * layout.nr + i);
    float* const panel = block + p * panel_floats;
    if (is_s8) {
      pack_panel_s8(rows, layout, k, column, kernel.activation_offset,
                    reinterpret_cast<unsigned char*>(panel));
    } else {
      pack_panel_f32(rows, layout, k, column, column_gain, panel);
    }
  }
  return packed;
}

// The plain case: the tensor as it is.
inline Linear pack_linear(Carver& carver, const kernels::Kernels& kernel, Precision precision, std::size_t n,
                          std::size_t k, const LinearTensors& tensors) noexcept {
  return pack_linear(
      carver, kernel, precision, n, k, [&](std::size_t i) { return SourceRow{&tensors, i}; },
      [](std::size_t j) { return j; }, [](std::size_t) { return 1.0; });
}

}  // namespace ppgfast
