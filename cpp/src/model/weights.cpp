#include "model/weights.hpp"

#include <cmath>

namespace ppgfast {

TensorF32 TensorReader::f32(const char* name, std::size_t a, std::size_t b, float lowest, float highest) noexcept {
  std::uint32_t i = 0;
  while (i < file_.tensor_count() && std::strcmp(file_.tensor(i).name, name) != 0) ++i;
  if (i == file_.tensor_count()) {
    fail(Status::missing_tensor, name, 0);
    return TensorF32();
  }
  used_.set(i);
  const format::Tensor tensor = file_.tensor(i);
  const std::size_t columns = b == 0 ? 1 : b;
  const bool shape_fits = tensor.rank == (b == 0 ? 1u : 2u) && tensor.dims[0] == a && tensor.dims[1] == columns;
  if (tensor.dtype != format::DType::f32) fail(Status::wrong_tensor_dtype, name, tensor.offset);
  if (!shape_fits) fail(Status::wrong_tensor_shape, name, tensor.offset);
  if (error_) return TensorF32();

  const TensorF32 values(tensor.data);
  for (std::size_t n = 0; n < a * columns; ++n) {
    if (values[n] >= lowest && values[n] <= highest) continue;
    const Status status = std::isfinite(values[n]) ? Status::tensor_out_of_range : Status::tensor_not_finite;
    fail(status, name, tensor.offset + n * sizeof(float));
    break;
  }
  return values;
}

Error TensorReader::finish() noexcept {
  for (std::uint32_t i = 0; !error_ && i < file_.tensor_count(); ++i) {
    const format::Tensor tensor = file_.tensor(i);
    if (!used_.test(i) && !is_optional(tensor.name)) fail(Status::unknown_tensor, tensor.name, tensor.offset);
  }
  return error_;
}

void TensorReader::fail(Status status, const char* name, std::uint64_t offset) noexcept {
  if (error_) return;
  error_.status = status;
  error_.offset = offset;
  std::strncpy(error_.name, name, sizeof(error_.name) - 1);
}

}  // namespace ppgfast
