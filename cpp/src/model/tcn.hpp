// A tiny convolutional student: a strided stem, residual blocks, the mean over time, one Linear
// (training/models/tcn.py is the same story in torch).
#pragma once

#include <memory>

#include "model/convolution.hpp"
#include "model/network.hpp"

namespace ppgfast {

class Tcn final : public Network {
 public:
  Tcn(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;
  ~Tcn() override;

  Error allocate() noexcept override;
  Error read(const format::File& file) noexcept override;
  std::size_t pack(Carver carver) noexcept override;
  // Its weights stay in L1, so windows have nothing to share; and one needs little memory.
  std::size_t windows_per_pass() const noexcept override { return 1; }
  std::size_t scratch() const noexcept override { return carve(nullptr).used; }
  std::size_t tokens() const noexcept override { return 1; }
  std::size_t samples_together() const noexcept override { return 1; }
  std::size_t multiply_adds() const noexcept override;
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

 private:
  struct BlockTensors;
  struct Tensors;
  struct Block {
    Convolution conv_1, conv_2;
    bool halves = false;  // the length
  };
  struct Scratch {
    float* x;        // (l, D) the residual stream, as what follows with room for its padding
    float* samples;  // (L, C); in the same place:
    float* h;        // (l, D) inside a block
    float* feature;  // (D)
    float* raw;      // (C)
    QuantizedRows quantized;
    std::size_t used;
  };

  void shape_blocks() noexcept;
  Scratch carve(float* scratch) const noexcept;

  ModelConfig config_;
  const kernels::Kernels& kernel_;
  std::size_t D_;  // width, padded to a multiple of 16
  std::size_t C_;  // outputs, padded

  std::unique_ptr<Tensors> tensors_;  // only between `read` and the last `pack`
  std::unique_ptr<Block[]> blocks_;
  Convolution stem_;
  Linear head_;
};

}  // namespace ppgfast
