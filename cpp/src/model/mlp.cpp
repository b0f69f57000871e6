#include "model/mlp.hpp"

#include <cstring>

namespace ppgfast {

using kernels::Epilogue;
using kernels::padded;

Mlp::Mlp(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      has_hidden_(config.kind == Kind::mlp),
      L_(config.window),
      h_(config.d_model),
      H_(padded(h_)),
      C_(padded(config.n_outputs)),
      pieces_(config.precision == Precision::f32 ? config.n_patches : 1),
      piece_samples_(L_ / pieces_) {}

Error Mlp::read(const format::File& file) noexcept {
  if (packed_only) return failure(Status::not_packed);
  const Precision precision = config_.precision;
  TensorReader tensor(file);
  if (has_hidden_) {
    hidden_tensors_ = tensor.linear("hidden", h_, L_, precision);
    // In s8 it was folded in before the weights were rounded.
    if (precision == Precision::f32) bn_ = tensor.batchnorm("hidden.bn", h_);
  }
  out_tensors_ = tensor.linear("out", config_.n_outputs, has_hidden_ ? h_ : L_, precision);
  return tensor.finish();
}

// `row` says what a row of the packed product is, given the tensors: in pieces after the first they have no
// bias.
template <typename Row>
void Mlp::pack_window(Carver& carver, std::size_t n, const LinearTensors& tensors, Row row) noexcept {
  LinearTensors without_bias = tensors;
  without_bias.bias = TensorF32();
  for (std::size_t piece = 0; piece < pieces_; ++piece) {
    const std::size_t before = carver.used();
    const Linear packed = pack_linear(
        carver, kernel_, config_.precision, n, piece_samples_,
        [&](std::size_t i) { return row(piece == 0 ? tensors : without_bias, i); },
        [&](std::size_t k) { return piece * piece_samples_ + k; }, [](std::size_t) { return 1.0; });
    if (piece == 0) first_ = packed;
    piece_floats_ = carver.used() - before;
  }
}

std::size_t Mlp::pack(Carver carver) noexcept {
  const auto as_stored = [](const LinearTensors& tensors, std::size_t i) { return SourceRow{&tensors, i}; };
  if (!has_hidden_) {
    pack_window(carver, config_.n_outputs, out_tensors_, as_stored);
    return carver.used();
  }
  if (config_.precision == Precision::s8) {
    pack_window(carver, h_, hidden_tensors_, as_stored);
  } else {
    pack_window(carver, h_, hidden_tensors_, [&](const LinearTensors& tensors, std::size_t i) {
      return SourceRow{&tensors, i, bn_.gain(i), tensors.bias.empty() ? 0.0 : bn_.shift(i)};
    });
  }
  out_ = pack_linear(carver, kernel_, config_.precision, config_.n_outputs, h_, out_tensors_);
  return carver.used();
}

std::size_t Mlp::multiply_adds() const noexcept {
  return has_hidden_ ? L_ * h_ + h_ * config_.n_outputs : L_ * config_.n_outputs;
}

Mlp::Scratch Mlp::carve(float* scratch) const noexcept {
  Carver carver(scratch);
  Scratch s{};
  s.inside = carver.take(rows_per_pass_ * H_);
  s.raw = carver.take(rows_per_pass_ * C_);
  if (config_.precision == Precision::s8) {
    s.quantized = QuantizedRows::carve(carver, rows_per_pass_, L_ > h_ ? L_ : h_);
  }
  s.used = carver.used();
  return s;
}

std::size_t Mlp::scratch() const noexcept { return carve(nullptr).used; }

// windows (count, L) -> y (count, n): the sum over pieces, the last one with the activation
void Mlp::run_window(const float* windows, std::size_t count, float* y, std::size_t y_stride, bool relu,
                     const QuantizedRows& quantized) const noexcept {
  for (std::size_t piece = 0; piece < pieces_; ++piece) {
    const bool rectify = relu && piece + 1 == pieces_;
    const Epilogue epilogue = piece == 0 ? (rectify ? Epilogue::relu : Epilogue::none)
                                         : (rectify ? Epilogue::residual_relu : Epilogue::residual);
    Linear linear = first_;
    linear.panels = static_cast<const float*>(first_.panels) + piece * piece_floats_;
    linear.run(kernel_, windows + piece * piece_samples_, L_, count, y, y_stride, quantized, epilogue);
  }
}

void Mlp::forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                  float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  if (has_hidden_) {
    run_window(windows, count, s.inside, H_, true, s.quantized);     // (count, L) -> (count, H)
    out_.run(kernel_, s.inside, H_, count, s.raw, C_, s.quantized);  // (count, H) -> (count, C)
  } else {
    run_window(windows, count, s.raw, C_, false, s.quantized);  // (count, L) -> (count, C)
  }
  for (std::size_t b = 0; b < count; ++b) {
    if (hidden != nullptr) std::memcpy(hidden + b * h_, s.inside + b * H_, h_ * sizeof(float));
    if (outputs != nullptr) {
      std::memcpy(outputs + b * config_.n_outputs, s.raw + b * C_, config_.n_outputs * sizeof(float));
    }
  }
}

}  // namespace ppgfast
