// The GPT-PPG transformer; training/models/gpt.py tells the same story in torch.
#pragma once

#include <memory>

#include "model/network.hpp"
#include "model/transformer.hpp"

namespace ppgfast {

class Gpt final : public Network {
 public:
  Gpt(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;
  ~Gpt() override;

  Error allocate() noexcept override;
  Error read(const format::File& file) noexcept override;
  std::size_t pack(Carver carver) noexcept override;
  std::size_t windows_per_pass() const noexcept override;
  std::size_t scratch() const noexcept override;
  std::size_t tokens() const noexcept override { return T_; }
  std::size_t samples_together() const noexcept override { return config_.patch; }
  std::size_t multiply_adds() const noexcept override;
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

  // One window, patch by patch: exact where no later sample changes how the earlier ones are scaled.
  std::size_t state() const noexcept override;
  void extend(float* state, const float* patches, std::size_t count, float* scratch) const noexcept override;
  void answer(const float* state, float* outputs, float* scratch) const noexcept override;

 private:
  struct LayerTensors;
  struct Tensors;
  struct Layer : TransformerProducts {
    const float* rotary_cos = nullptr;  // (T, R)
    const float* rotary_sin = nullptr;
  };
  struct State {
    std::uint32_t* seen;  // tokens, SEP too
    float* no_bias;       // (K) zeros
    float* x;             // (T, D) of the last layer
    float* layers;        // of each the keys (A, K), a token to a column, and the values (T, A)
    std::size_t used;
  };
  struct Scratch : TransformerScratch {
    float* attention;  // one head
    float* head;       // (T, D)
    std::size_t used;
  };

  void pack_patch(Carver& carver) noexcept;
  void pack_rotary(Carver& carver, const LayerTensors& t, Layer* layer) const noexcept;
  void pack_head(Carver& carver) noexcept;
  State place(float* block) const noexcept;
  Scratch carve(float* scratch) const noexcept;
  void attend(const State& state, std::size_t layer, std::size_t token, float* qkv, float* y,
              const Scratch& s) const noexcept;

  ModelConfig config_;
  const kernels::Kernels& kernel_;
  TransformerWidths w_;
  std::size_t T_;  // tokens: SEP and the patches
  std::size_t K_;  // tokens, padded to a multiple of 16
  std::size_t R_;  // what turns of one head, its first half

  std::unique_ptr<Tensors> tensors_;  // only between `read` and the last `pack`
  std::unique_ptr<Layer[]> layers_;
  Linear patch_;
  const float* sep_ = nullptr;          // (D)
  const float* head_gain_ = nullptr;    // (T, D)
  const float* head_shift_ = nullptr;   // (T, D)
  const float* head_weight_ = nullptr;  // (outputs, T, D)
  const float* head_bias_ = nullptr;    // (outputs)
};

}  // namespace ppgfast
