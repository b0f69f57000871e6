#include "model/convolution.hpp"

#include <algorithm>
#include <cstring>

namespace ppgfast {

Convolution::Convolution(const ConvolutionShape& shape) noexcept
    : shape_(shape), positions_((shape.length + shape.stride - 1) / shape.stride) {
  const std::size_t last =
      (positions_ - 1) * shape.stride;  // row of the window that the last position starts from
  const std::size_t wanted = last + shape.kernel;
  const std::size_t before = wanted > shape.length ? (wanted - shape.length) / 2 : 0;
  // Position p meets row p * stride - before + tap: below 0 for all p, or beyond the window for all p, is no
  // tap.
  first_tap_ = before > last ? before - last : 0;
  const std::size_t end_tap = std::min(shape.kernel, shape.length + before);
  taps_ = end_tap - first_tap_;
  before_ = before - first_tap_;
  behind_ = last + taps_ > shape.length + before_ ? last + taps_ - shape.length - before_ : 0;
}

void Convolution::surround(float* x, std::size_t count, std::size_t pitch) const noexcept {
  const std::size_t w = shape_.width, used = shape_.length * w, window = shape_.stride * pitch * w;
  std::memset(x - gap() * w, 0, gap() * w * sizeof(float));
  for (std::size_t b = 0; b < count; ++b)
    std::memset(x + b * window + used, 0, (window - used) * sizeof(float));
}

void Convolution::run(const kernels::Kernels& kernel, const float* x, std::size_t count, std::size_t pitch,
                      float* y, const QuantizedRows& quantized, kernels::Epilogue epilogue) const noexcept {
  linear_.run(kernel, x - before_ * shape_.width, shape_.stride * shape_.width, rows(count, pitch), y,
              kernels::padded(shape_.outputs), quantized, epilogue);
}

void mean_over_time(const float* x, std::size_t rows, std::size_t width, float* y) noexcept {
  std::memset(y, 0, width * sizeof(float));
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t c = 0; c < width; ++c) y[c] += x[t * width + c];
  }
  for (std::size_t c = 0; c < width; ++c) y[c] /= static_cast<float>(rows);
}

}  // namespace ppgfast
