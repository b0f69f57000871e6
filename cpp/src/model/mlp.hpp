// The two baselines: one hidden layer (BatchNorm folded in), and none.
#pragma once

#include "model/network.hpp"
#include "model/pack.hpp"
#include "model/weights.hpp"

namespace ppgfast {

class Mlp final : public Network {
 public:
  Mlp(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;

  Error read(const format::File& file) noexcept override;
  std::size_t pack(float* block) noexcept override;
  std::size_t windows_per_pass() const noexcept override { return rows_per_pass; }
  std::size_t scratch() const noexcept override;
  std::size_t tokens() const noexcept override { return has_hidden_ ? 1 : 0; }
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

 private:
  ModelConfig config_;
  const kernels::Kernels& kernel_;
  bool has_hidden_;
  std::size_t L_;  // samples of a window
  std::size_t h_;  // hidden units
  std::size_t H_;  // hidden units, padded
  std::size_t C_;  // outputs, padded

  // The product of a whole window is cut into its patches: sums of `patch` terms lose less than one of all samples.
  struct WindowLinear {
    const float* panels = nullptr;  // n_patches Linears of equal size; the first holds the bias
    std::size_t n_panels = 0;
    std::size_t floats = 0;  // of one of them
  };
  template <typename Weight, typename Bias>
  WindowLinear pack_window(Carver& carver, std::size_t n, Weight weight, Bias bias) const noexcept;
  void run_window(const WindowLinear& linear, const float* windows, std::size_t count, float* y, std::size_t y_stride,
                  bool relu) const noexcept;

  TensorF32 weight_, bias_, bn_gain_, bn_shift_, bn_mean_, bn_variance_, out_weight_, out_bias_;
  WindowLinear first_;  // to the hidden units, or straight to the outputs
  Linear out_;
};

}  // namespace ppgfast
