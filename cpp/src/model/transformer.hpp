// What the two transformers have in common: a layer's tensors, its widths and its products.
#pragma once

#include <cstddef>

#include "model/pack.hpp"
#include "ppgfast/model.hpp"

namespace ppgfast {

constexpr float rmsnorm_epsilon = 1e-8f;

struct TransformerWidths {
  explicit TransformerWidths(const ModelConfig& config) noexcept
      : d(config.d_model),
        D(kernels::padded(d)),
        dh(d / config.n_heads),
        Dh(kernels::padded(dh)),
        A(config.n_heads * Dh),
        F(kernels::padded(4 * d)) {}

  std::size_t d;   // width
  std::size_t D;   // width, padded to a multiple of 16, as all widths in capitals are
  std::size_t dh;  // width of one head
  std::size_t Dh;
  std::size_t A;  // all heads: n_heads * Dh
  std::size_t F;  // feed-forward
};

struct TransformerTensors {
  TensorF32 attention_norm,
      ffn_norm;  // f32 only: in s8 they were multiplied into the weights before rounding
  LinearTensors query, key, value, out, up, down;

  // Those of layer `i`, but for what tells positions apart.
  void read(TensorReader& tensor, unsigned i, std::size_t d, Precision precision) noexcept;
};

struct TransformerProducts {
  Linear qkv, out, up, down;

  void pack_attention(Carver& carver, const kernels::Kernels& kernel, const TransformerTensors& t,
                      const TransformerWidths& w, Precision precision) noexcept;
  void pack_ffn(Carver& carver, const kernels::Kernels& kernel, const TransformerTensors& t,
                const TransformerWidths& w, Precision precision) noexcept;
};

}  // namespace ppgfast
