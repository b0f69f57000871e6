#include "model/mlp.hpp"

#include <cmath>
#include <cstring>

namespace ppgfast {

using kernels::Epilogue;
using kernels::padded;

namespace {

constexpr double batchnorm_epsilon = 1e-5;

}  // namespace

Mlp::Mlp(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      has_hidden_(config.kind == Kind::mlp),
      L_(config.window),
      h_(config.d_model),
      H_(padded(h_)),
      C_(padded(config.n_outputs)) {}

Error Mlp::read(const format::File& file) noexcept {
  TensorReader tensor(file);
  if (has_hidden_) {
    weight_ = tensor.f32("hidden.weight", h_, L_);
    bias_ = tensor.f32("hidden.bias", h_);
    bn_gain_ = tensor.f32("hidden.bn.weight", h_);
    bn_shift_ = tensor.f32("hidden.bn.bias", h_);
    bn_mean_ = tensor.f32("hidden.bn.mean", h_);
    bn_variance_ = tensor.f32("hidden.bn.var", h_, 0, 0.0f);
  }
  out_weight_ = tensor.f32("out.weight", config_.n_outputs, has_hidden_ ? h_ : L_);
  out_bias_ = tensor.f32("out.bias", config_.n_outputs);
  return tensor.finish();
}

template <typename Weight, typename Bias>
Mlp::WindowLinear Mlp::pack_window(Carver& carver, std::size_t n, Weight weight, Bias bias) const noexcept {
  const std::size_t P = config_.patch, floats = packed_linear_size(n, P, kernel_.layout);
  float* panels = carver.take(config_.n_patches * floats);
  for (std::size_t patch = 0; panels != nullptr && patch < config_.n_patches; ++patch) {
    write_panels(
        n, P, kernel_.layout, [&](std::size_t row, std::size_t k) { return weight(row, patch * P + k); },
        [&](std::size_t row) { return patch == 0 ? bias(row) : 0.0f; }, panels + patch * floats);
  }
  return {panels, kernels::round_up(n, kernel_.layout.nr) / kernel_.layout.nr, floats};
}

std::size_t Mlp::pack(float* block) noexcept {
  Carver carver(block);
  if (!has_hidden_) {
    first_ = pack_window(
        carver, config_.n_outputs, [&](std::size_t n, std::size_t k) { return out_weight_[n * L_ + k]; },
        [&](std::size_t n) { return out_bias_[n]; });
    return carver.used();
  }
  const auto gain = [&](std::size_t n) { return bn_gain_[n] / std::sqrt(bn_variance_[n] + batchnorm_epsilon); };
  first_ = pack_window(
      carver, h_, [&](std::size_t n, std::size_t k) { return static_cast<float>(weight_[n * L_ + k] * gain(n)); },
      [&](std::size_t n) {
        return static_cast<float>((static_cast<double>(bias_[n]) - bn_mean_[n]) * gain(n) + bn_shift_[n]);
      });
  out_ = pack_linear(
      carver, kernel_.layout, config_.n_outputs, h_,
      [&](std::size_t n, std::size_t k) { return out_weight_[n * h_ + k]; },
      [&](std::size_t n) { return out_bias_[n]; });
  return carver.used();
}

std::size_t Mlp::scratch() const noexcept { return windows_per_pass() * (H_ + C_); }

// windows (count, L) -> y (count, n): the sum over patches, the last one with the activation
void Mlp::run_window(const WindowLinear& linear, const float* windows, std::size_t count, float* y,
                     std::size_t y_stride, bool relu) const noexcept {
  const std::size_t P = config_.patch;
  for (std::size_t patch = 0; patch < config_.n_patches; ++patch) {
    const bool rectify = relu && patch + 1 == config_.n_patches;
    const Epilogue epilogue = patch == 0 ? (rectify ? Epilogue::relu : Epilogue::none)
                                         : (rectify ? Epilogue::residual_relu : Epilogue::residual);
    const Linear one{linear.panels + patch * linear.floats, linear.n_panels, P};
    one.run(kernel_, windows + patch * P, L_, count, y, y_stride, epilogue);
  }
}

void Mlp::forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                  float* scratch) const noexcept {
  float* const inside = scratch;                    // (count, H)
  float* const raw = scratch + rows_per_pass * H_;  // (count, C)
  if (has_hidden_) {
    run_window(first_, windows, count, inside, H_, true);  // (count, L) -> (count, H)
    out_.run(kernel_, inside, H_, count, raw, C_);         // (count, H) -> (count, C)
  } else {
    run_window(first_, windows, count, raw, C_, false);  // (count, L) -> (count, C)
  }
  for (std::size_t b = 0; b < count; ++b) {
    if (hidden != nullptr) std::memcpy(hidden + b * h_, inside + b * H_, h_ * sizeof(float));
    if (outputs != nullptr) {
      std::memcpy(outputs + b * config_.n_outputs, raw + b * C_, config_.n_outputs * sizeof(float));
    }
  }
}

}  // namespace ppgfast
