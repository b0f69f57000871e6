// The transformer for streams: a patch is computed once, and what later ones need of it is kept
// (training/models/streamgpt.py tells the same story in torch).
#pragma once

#include <memory>

#include "model/network.hpp"
#include "model/transformer.hpp"

namespace ppgfast {

class StreamGpt final : public Network {
 public:
  StreamGpt(const ModelConfig& config, const kernels::Kernels& kernel) noexcept;
  ~StreamGpt() override;

  Error allocate() noexcept override;
  Error read(const format::File& file) noexcept override;
  std::size_t pack(Carver carver) noexcept override;
  std::size_t windows_per_pass() const noexcept override { return 1; }
  std::size_t scratch() const noexcept override { return carve(nullptr).used; }
  std::size_t tokens() const noexcept override { return config_.n_patches; }
  std::size_t samples_together() const noexcept override { return config_.patch; }
  std::size_t multiply_adds() const noexcept override;
  void forward(const float* windows, std::size_t count, float* outputs, float* hidden,
               float* scratch) const noexcept override;

  std::size_t state() const noexcept override { return place(nullptr).used; }
  void extend(float* state, const float* patches, std::size_t count, float* scratch) const noexcept override;
  void answer(const float* state, float* outputs, float* scratch) const noexcept override;

 private:
  struct LayerTensors;
  struct Tensors;
  struct Layer : TransformerProducts {
    const float* age = nullptr;  // (heads, B) added to a score, from the oldest key to the patch itself
  };
  // What the patches so far leave behind; all zero before the first.
  struct State {
    std::uint32_t* seen;  // patches, counted up to max(N, W)
    float* mean;          // (N) of the last patches, oldest first, as all that follows
    float* variance;      // (N)
    float* pooled;        // (N, D) normalised vectors of the last layer
    float* layers;        // of each the keys (A, K), a patch to a column, and the values (W, A)
    std::size_t used;
  };
  struct Scratch : TransformerScratch {
    float* scaled;     // (rows, P)
    float* attention;  // (K)
    float* feature;    // (D)
    float* raw;        // (C)
    float* state;      // of a window that is a signal of its own
    std::size_t used;
  };

  std::size_t rows() const noexcept;
  State place(float* block) const noexcept;
  Scratch carve(float* scratch) const noexcept;
  const float* pack_ages(Carver& carver, const LayerTensors& t) const noexcept;
  void take(float* state, const float* patches, std::size_t n, const Scratch& s) const noexcept;
  void scale(const State& state, std::size_t seen, const float* patch, float* scaled) const noexcept;
  void attend(float* keys, float* values, std::size_t seen, const float* qkv, const Layer& layer, float* y,
              const Scratch& s) const noexcept;

  ModelConfig config_;
  const kernels::Kernels& kernel_;
  TransformerWidths w_;
  std::size_t W_;  // patches that a layer looks at
  std::size_t K_;  // the same, padded to a multiple of 16
  std::size_t B_;  // ages of one head, with room behind those of the fewest keys
  std::size_t C_;  // outputs, padded

  std::unique_ptr<Tensors> tensors_;  // only between `read` and the last `pack`
  std::unique_ptr<Layer[]> layers_;
  Linear patch_, head_;
};

}  // namespace ppgfast
