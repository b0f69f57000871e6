// Convolutions over time, as products with overlapping rows.
//
// Activations are stored (time, channels), one row per time step, channels padded to a multiple of 16. The
// inputs of one output position are then neighbouring rows, one contiguous vector, and those of the next
// start `stride` rows further on: a convolution is the matrix product of the kernel table, whose rows overlap
// here. Zero rows around a window are its SAME padding. All windows of a pass share one product: they lie
// `pitch` rows apart, zeros between them. What comes out for the positions between two windows means nothing;
// `surround` puts the zeros back.
#pragma once

#include "model/pack.hpp"

namespace ppgfast {

struct ConvolutionShape {
  std::size_t length;    // time steps of one window
  std::size_t channels;  // inputs of one time step
  std::size_t width;     // floats from one time step to the next: 1 for samples, else padded(channels)
  std::size_t outputs;
  std::size_t kernel;  // taps
  std::size_t stride;
};

// SAME padding: ceil(length / stride) positions; an odd row of padding lies behind the window.
class Convolution {
 public:
  Convolution() noexcept = default;
  explicit Convolution(const ConvolutionShape& shape) noexcept;

  std::size_t positions() const noexcept { return positions_; }
  std::size_t columns() const noexcept {
    return shape_.kernel * shape_.channels;
  }  // of the tensor: taps, channels
  std::size_t k() const noexcept { return taps_ * shape_.width; }  // of the packed product
  // Zero rows that must lie before the first window and behind each one.
  std::size_t gap() const noexcept { return before_ > behind_ ? before_ : behind_; }
  // Smallest pitch of the outputs with room for the gaps of the inputs, which lie `stride` times as far
  // apart.
  std::size_t least_pitch() const noexcept {
    return (shape_.length + gap() + shape_.stride - 1) / shape_.stride;
  }
  std::size_t rows(std::size_t count, std::size_t pitch) const noexcept {
    return (count - 1) * pitch + positions_;
  }

  // `row(n)` says where output n comes from, as for pack_linear.
  template <typename Row>
  void pack(Carver& carver, const kernels::Kernels& kernel, Precision precision, Row row) noexcept {
    linear_ = pack_linear(
        carver, kernel, precision, shape_.outputs, k(), row,
        [this](std::size_t j) {
          const std::size_t tap = j / shape_.width, channel = j % shape_.width;
          return channel < shape_.channels ? (first_tap_ + tap) * shape_.channels + channel : no_column;
        },
        [](std::size_t) { return 1.0; });
  }

  // Zeros before the first of `count` windows at x, and behind each one up to the next; outputs `pitch` rows
  // apart.
  void surround(float* x, std::size_t count, std::size_t pitch) const noexcept;

  void surround(float* x) const noexcept { surround(x, 1, least_pitch()); }

  // x (count windows, stride * pitch rows apart), surrounded -> y (count windows, pitch rows apart)
  void run(const kernels::Kernels& kernel, const float* x, std::size_t count, std::size_t pitch, float* y,
           const QuantizedRows& quantized, kernels::Epilogue epilogue) const noexcept;
  void run(const kernels::Kernels& kernel, const float* x, float* y, const QuantizedRows& quantized,
           kernels::Epilogue epilogue) const noexcept {
    run(kernel, x, 1, least_pitch(), y, quantized, epilogue);
  }

 private:
  ConvolutionShape shape_{};
  std::size_t positions_ = 0;
  std::size_t first_tap_ = 0, taps_ = 0;  // taps that only ever meet padding are left out
  std::size_t before_ = 0, behind_ = 0;   // rows of padding that the others meet
  Linear linear_;
};

// x (rows, width) -> y (width): the mean, summed in the order of time
void mean_over_time(const float* x, std::size_t rows, std::size_t width, float* y) noexcept;

}  // namespace ppgfast
