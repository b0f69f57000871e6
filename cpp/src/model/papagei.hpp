// PaPaGei: a one-dimensional pre-activation ResNet (training/models/papagei.py is the same story in torch).
#pragma once

#include <memory>

#include "model/convolution.hpp"
#include "model/network.hpp"

namespace ppgfast {

class Papagei final : public Network {
 public:
  Papagei(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;
  ~Papagei() override;

  Error allocate() noexcept override;
  Error read(const format::File& file) noexcept override;
  std::size_t pack(Carver carver) noexcept override;
  std::size_t windows_per_pass() const noexcept override { return windows_; }
  std::size_t scratch() const noexcept override { return carve(nullptr).used; }
  std::size_t tokens() const noexcept override { return 1; }
  std::size_t samples_together() const noexcept override { return config_.window; }
  std::size_t multiply_adds() const noexcept override;
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

  // Channels that a block puts out: every fourth block doubles them.
  static std::uint64_t channels(std::uint32_t base_filters, std::uint32_t block) noexcept {
    return std::uint64_t{base_filters} << block / 4;
  }

 private:
  struct BlockTensors;
  struct Tensors;
  struct Block {
    Convolution conv_1, conv_2;
    const float* gain = nullptr;  // (narrow) of the BatchNorm before conv_1; the first block has none
    const float* shift = nullptr;
    std::size_t length = 0;            // time steps that come in
    std::size_t stride = 1;            // 2 halves them
    std::size_t channels = 0;          // that come in
    std::size_t narrow = 0, wide = 0;  // floats of a time step that come in and go out
    bool reshapes = false;             // what goes around the block has to change its shape too
    std::size_t up = 0;                // how far the way around the block moves the channels
    std::size_t pitch = 0;             // rows from one window to the next of what goes out
  };
  struct Scratch {
    float* samples;  // (count, pitch) windows with zeros around them
    float* x;        // (rows, channels) the residual stream, as a and h with room for a row of zeros before
    float* a;        // normalised x, then the residual stream of the next shape
    float* h;        // inside a block
    float* feature;  // (count, D)
    float* inside;   // (count, H) of the classifier
    float* raw;      // (count, C)
    QuantizedRows quantized;
    std::size_t used;
  };

  std::size_t channels(unsigned block) const noexcept {
    return std::size_t{config_.base_filters} << block / 4;
  }
  void shape_blocks() noexcept;
  void pack_norm(Carver& carver, const BatchNormTensors& bn, std::size_t channels, const float** gain,
                 const float** shift) const noexcept;
  std::size_t map_floats(std::size_t count) const noexcept;
  void run_block(const Block& block, std::size_t count, std::size_t pitch, Scratch* s) const noexcept;
  Scratch carve(float* scratch) const noexcept;

  ModelConfig config_;
  const kernels::Kernels& kernel_;
  std::size_t D_;  // features, padded to a multiple of 16, as all widths in capitals are
  std::size_t H_;  // inside the classifier
  std::size_t C_;  // outputs
  std::size_t windows_ = 1;

  std::unique_ptr<Tensors> tensors_;  // only between `read` and the last `pack`
  std::unique_ptr<Block[]> blocks_;
  Convolution conv_;
  const float* final_gain_ = nullptr;  // (D)
  const float* final_shift_ = nullptr;
  Linear hidden_, out_;
};

}  // namespace ppgfast
