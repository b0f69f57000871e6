// Weights in their file -> the panels that a kernel table wants. Everything that costs nothing at load is folded in.
#pragma once

#include <cstddef>

#include "kernels/kernels.hpp"

namespace ppgfast {

// Packed floats of a Linear with `n` outputs and `k` inputs.
inline std::size_t packed_linear_size(std::size_t n, std::size_t k, kernels::Layout layout) noexcept {
  const std::size_t panels = kernels::round_up(n, layout.nr) / layout.nr;
  return panels * layout.nr * (1 + kernels::round_up(k, layout.kr));
}

// Writes the panels of kernels.hpp: `weight(n, k)` and `bias(n)` give the canonical values.
template <typename Weight, typename Bias>
void write_panels(std::size_t n, std::size_t k, kernels::Layout layout, Weight weight, Bias bias, float* out) noexcept {
  for (std::size_t n0 = 0; n0 < n; n0 += layout.nr) {
    for (std::size_t i = 0; i < layout.nr; ++i) *out++ = n0 + i < n ? bias(n0 + i) : 0.0f;
    for (std::size_t k0 = 0; k0 < k; k0 += layout.kr) {
      for (std::size_t i = 0; i < layout.nr; ++i) {
        for (std::size_t j = 0; j < layout.kr; ++j) {
          *out++ = n0 + i < n && k0 + j < k ? weight(n0 + i, k0 + j) : 0.0f;
        }
      }
    }
  }
}

// A packed Linear, ready to run.
struct Linear {
  const float* panels = nullptr;
  std::size_t n_panels = 0;
  std::size_t k = 0;

  // x (rows, k) with stride x_stride -> y (rows, padded n) with stride y_stride
  void run(const kernels::Kernels& kernel, const float* x, std::size_t x_stride, std::size_t rows, float* y,
           std::size_t y_stride, kernels::Epilogue epilogue = kernels::Epilogue::none) const noexcept {
    kernel.linear_f32({x, x_stride, rows, k, panels, n_panels, y, y_stride, epilogue});
  }
};

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

// Packs a Linear of `n` outputs and `k` inputs into the carver's next piece.
template <typename Weight, typename Bias>
Linear pack_linear(Carver& carver, kernels::Layout layout, std::size_t n, std::size_t k, Weight weight,
                   Bias bias) noexcept {
  float* panels = carver.take(packed_linear_size(n, k, layout));
  if (panels != nullptr) write_panels(n, k, layout, weight, bias, panels);
  return {panels, kernels::round_up(n, layout.nr) / layout.nr, k};
}

}  // namespace ppgfast
