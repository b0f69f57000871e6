#include "model/weights.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "kernels/kernels.hpp"

namespace ppgfast {
namespace {

// `<name>.<part>`, cut off beyond the longest name a file can hold.
struct PartOf {
  PartOf(const char* name, const char* part) noexcept {
    std::snprintf(text, sizeof(text), "%s.%s", name, part);
  }
  char text[64];
};

// Of opposite signs the sum is small, and the larger of the two alone is within the limit.
bool pair_fits(std::int8_t a, std::int8_t b) noexcept { return std::abs(a + b) <= kernels::pair_limit; }

// Whether a row of weights fits, in passes without branches, which vectorise.
bool row_fits(const std::int8_t* w, std::size_t columns) noexcept {
  unsigned char lowest = 0;
  for (std::size_t k = 0; k < columns; ++k) lowest |= w[k] == -128;
  std::uint16_t too_large = 0;
  for (std::size_t k = 0; k + 1 < columns; k += 2) {
    std::uint16_t both;
    std::memcpy(&both, w + k, sizeof(both));
    const auto sum = static_cast<std::int16_t>((static_cast<std::int16_t>(both) >> 8) +
                                               (static_cast<std::int16_t>(both << 8) >> 8));
    too_large |= static_cast<std::uint16_t>(sum > kernels::pair_limit) |
                 static_cast<std::uint16_t>(sum < -kernels::pair_limit);
  }
  return lowest == 0 && too_large == 0;
}

}  // namespace

const unsigned char* TensorReader::find(const char* name, format::DType dtype, std::size_t a, std::size_t b,
                                        std::uint64_t* offset) noexcept {
  std::uint32_t i = 0;
  while (i < file_.tensor_count() && std::strcmp(file_.tensor(i).name, name) != 0) ++i;
  if (i == file_.tensor_count()) {
    fail(Status::missing_tensor, name, 0);
    return nullptr;
  }
  used_.set(i);
  const format::Tensor tensor = file_.tensor(i);
  const bool shape_fits =
      tensor.rank == (b == 0 ? 1u : 2u) && tensor.dims[0] == a && tensor.dims[1] == (b == 0 ? 1 : b);
  if (tensor.dtype != dtype) fail(Status::wrong_tensor_dtype, name, tensor.offset);
  if (!shape_fits) fail(Status::wrong_tensor_shape, name, tensor.offset);
  *offset = tensor.offset;
  return error_ ? nullptr : tensor.data;
}

TensorF32 TensorReader::f32(const char* name, std::size_t a, std::size_t b, float lowest,
                            float highest) noexcept {
  std::uint64_t offset = 0;
  const unsigned char* data = find(name, format::DType::f32, a, b, &offset);
  if (data == nullptr) return TensorF32();
  const TensorF32 values(data);
  const std::size_t count = a * (b == 0 ? 1 : b);
  bool all_inside =
      true;  // one pass without branches, which vectorises; the place is looked for only when needed
  for (std::size_t n = 0; n < count; ++n) all_inside &= values[n] >= lowest && values[n] <= highest;
  if (all_inside) return values;

  std::size_t n = 0;
  while (values[n] >= lowest && values[n] <= highest) ++n;
  const Status status = std::isfinite(values[n]) ? Status::tensor_out_of_range : Status::tensor_not_finite;
  fail(status, name, offset + n * sizeof(float));
  return TensorF32();
}

// int8 weights are in [-127, 127], and neighbours of one sign within pair_limit: the kernels rely on it.
const std::int8_t* TensorReader::s8(const char* name, std::size_t rows, std::size_t columns) noexcept {
  std::uint64_t offset = 0;
  const unsigned char* data = find(name, format::DType::i8, rows, columns, &offset);
  if (data == nullptr) return nullptr;
  const auto* const values = reinterpret_cast<const std::int8_t*>(data);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::int8_t* const w = values + row * columns;
    if (row_fits(w, columns)) continue;
    for (std::size_t k = 0; k < columns; ++k) {
      if (w[k] == -128) fail(Status::tensor_out_of_range, name, offset + row * columns + k);
      if (k % 2 == 0 && k + 1 < columns && !pair_fits(w[k], w[k + 1])) {
        fail(Status::weight_pair_too_large, name, offset + row * columns + k);
      }
    }
    return nullptr;
  }
  return values;
}

LinearTensors TensorReader::linear(const char* name, std::size_t rows, std::size_t columns,
                                   Precision precision, bool has_bias) noexcept {
  LinearTensors t;
  t.columns = columns;
  if (precision == Precision::s8) {
    t.s8 = s8(PartOf(name, "weight").text, rows, columns);
    t.scale = f32(PartOf(name, "scale").text, rows, 0, 0.0f);
  } else {
    t.weight = f32(PartOf(name, "weight").text, rows, columns);
  }
  if (has_bias) t.bias = f32(PartOf(name, "bias").text, rows);
  return t;
}

BatchNormTensors TensorReader::batchnorm(const char* name, std::size_t channels) noexcept {
  BatchNormTensors t;
  t.weight = f32(PartOf(name, "weight").text, channels);
  t.bias = f32(PartOf(name, "bias").text, channels);
  t.mean = f32(PartOf(name, "mean").text, channels);
  t.variance = f32(PartOf(name, "var").text, channels, 0, 0.0f);
  return t;
}

Error TensorReader::finish() noexcept {
  for (std::uint32_t i = 0; !error_ && i < file_.tensor_count(); ++i) {
    const format::Tensor tensor = file_.tensor(i);
    if (!used_.test(i) && !is_optional(tensor.name)) fail(Status::unknown_tensor, tensor.name, tensor.offset);
  }
  return error_;
}

void TensorReader::fail(Status status, const char* name, std::uint64_t offset) noexcept {
  if (!error_) error_ = failure(status, offset, name);
}

}  // namespace ppgfast
