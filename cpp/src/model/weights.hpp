// Tensors of a PPGF file, checked against the config.
#pragma once

#include <bitset>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "format/reader.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

// Tensors that any file may hold and that take no part in a prediction: provenance, and a test of itself.
inline bool is_optional(const char* tensor) noexcept {
  return std::strcmp(tensor, "note") == 0 || std::strncmp(tensor, "selftest.", 9) == 0;
}

// One float32 tensor in its file, row-major, at any alignment.
class TensorF32 {
 public:
  TensorF32() noexcept = default;
  explicit TensorF32(const unsigned char* data) noexcept : data_(data) {}

  bool empty() const noexcept { return data_ == nullptr; }
  float operator[](std::size_t i) const noexcept {
    float value;
    std::memcpy(&value, data_ + i * sizeof(value), sizeof(value));
    return value;
  }
  TensorF32 from(std::size_t i) const noexcept { return TensorF32(data_ + i * sizeof(float)); }

 private:
  const unsigned char* data_ = nullptr;
};

// One Linear in its file, as either precision has it: y = (weight * scale of the row) x + bias.
struct LinearTensors {
  TensorF32 weight;                 // (rows, columns); f32 only
  const std::int8_t* s8 = nullptr;  // (rows, columns); s8 only
  TensorF32 scale;                  // (rows); s8 only
  TensorF32 bias;                   // (rows); empty means zeros
  std::size_t columns = 0;
};

// One BatchNorm in its file, as it is at inference: y = gain(i) x + shift(i).
struct BatchNormTensors {
  TensorF32 weight, bias, mean, variance;  // (channels)

  bool empty() const noexcept { return weight.empty(); }
  double gain(std::size_t i) const noexcept { return weight[i] / std::sqrt(variance[i] + 1e-5); }
  double shift(std::size_t i) const noexcept { return bias[i] - mean[i] * gain(i); }
};

// Hands out tensors by name, keeps the first error, and remembers: a file may hold nothing that nobody asked
// for.
class TensorReader {
 public:
  explicit TensorReader(const format::File& file) noexcept : file_(file) {}

  // A float32 tensor of shape (a) or (a, b), b = 0 meaning rank 1, with all values in [lowest, highest]. The
  // default range is wider than any trained weight, and narrow enough that products of two values stay
  // finite.
  TensorF32 f32(const char* name, std::size_t a, std::size_t b = 0, float lowest = -1e18f,
                float highest = 1e18f) noexcept;

  // `<name>.weight` and, if there is one, `<name>.bias`; in s8 also `<name>.scale`.
  LinearTensors linear(const char* name, std::size_t rows, std::size_t columns, Precision precision,
                       bool has_bias = true) noexcept;

  // `<name>.{weight,bias,mean,var}`
  BatchNormTensors batchnorm(const char* name, std::size_t channels) noexcept;

  // The first error; a tensor that nobody asked for is one too, unless it is optional.
  Error finish() noexcept;

 private:
  // The tensor of this name, dtype and shape; null after an error.
  const unsigned char* find(const char* name, format::DType dtype, std::size_t a, std::size_t b,
                            std::uint64_t* offset) noexcept;
  const std::int8_t* s8(const char* name, std::size_t rows, std::size_t columns) noexcept;
  void fail(Status status, const char* name, std::uint64_t offset) noexcept;

  const format::File& file_;
  Error error_;
  std::bitset<format::max_tensors> used_;
};

}  // namespace ppgfast
