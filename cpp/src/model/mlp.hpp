// The two baselines: one hidden layer (BatchNorm folded in), and none.
#pragma once

#include "model/network.hpp"
#include "model/pack.hpp"

namespace ppgfast {

class Mlp final : public Network {
 public:
  Mlp(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;

  Error read(const format::File& file) noexcept override;
  std::size_t pack(Carver carver) noexcept override;
  std::size_t windows_per_pass() const noexcept override { return rows_per_pass_; }
  std::size_t scratch() const noexcept override;
  std::size_t tokens() const noexcept override { return has_hidden_ ? 1 : 0; }
  std::size_t samples_together() const noexcept override { return L_; }
  std::size_t multiply_adds() const noexcept override;
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

 private:
  struct Scratch {
    float* inside;  // (rows, H)
    float* raw;     // (rows, C)
    QuantizedRows quantized;
    std::size_t used;
  };

  template <typename Row>
  void pack_window(Carver& carver, std::size_t n, const LinearTensors& tensors, Row row) noexcept;
  void run_window(const float* windows, std::size_t count, float* y, std::size_t y_stride, bool relu,
                  const QuantizedRows& quantized) const noexcept;
  Scratch carve(float* scratch) const noexcept;

  ModelConfig config_;
  const kernels::Kernels& kernel_;
  bool has_hidden_;
  std::size_t L_;  // samples of a window
  std::size_t h_;  // hidden units
  std::size_t H_;  // hidden units, padded
  std::size_t C_;  // outputs, padded

  // The float32 product of a window is cut into its patches: sums of `patch` terms lose less than one of all
  // samples. Sums of int8 lose nothing and stay whole.
  std::size_t pieces_, piece_samples_;

  LinearTensors hidden_tensors_, out_tensors_;
  BatchNormTensors bn_;
  Linear first_;  // the first piece of the product with the window, to the hidden units or straight to the
                  // outputs
  std::size_t piece_floats_ = 0;  // from one packed piece to the next
  Linear out_;
};

}  // namespace ppgfast
