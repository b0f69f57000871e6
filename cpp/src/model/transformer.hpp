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

struct TransformerScratch {
  float* x;       // (rows, D) the residual stream
  float* narrow;  // (rows, max(D, A)) normalised x, then what attention returns
  float* wide;    // (rows, max(3 A, F)) queries, keys and values, then the feed-forward's inside
  QuantizedRows quantized;

  static TransformerScratch carve(Carver& carver, const TransformerWidths& w, std::size_t rows,
                                  Precision precision) noexcept;
};

// x (rows, D) through one layer; `attend` makes (rows, A) in s.narrow of (rows, 3 A) in s.wide.
template <typename Attend>
void run_layer(const kernels::Kernels& kernel, const TransformerProducts& layer, const TransformerWidths& w,
               std::size_t rows, const TransformerScratch& s, Attend attend) noexcept {
  using kernels::Epilogue;

  // x += out(attention(norm(x)))
  kernel.rmsnorm_f32({s.x, rows, w.d, w.D, rmsnorm_epsilon, s.narrow});
  layer.qkv.run(kernel, s.narrow, w.D, rows, s.wide, 3 * w.A, s.quantized);  // (rows, D) -> (rows, 3 A)
  attend();                                                                  // (rows, 3 A) -> (rows, A)
  layer.out.run(kernel, s.narrow, w.A, rows, s.x, w.D, s.quantized,
                Epilogue::residual);  // (rows, A) -> (rows, D)

  // x += down(relu(up(norm(x))))
  kernel.rmsnorm_f32({s.x, rows, w.d, w.D, rmsnorm_epsilon, s.narrow});
  layer.up.run(kernel, s.narrow, w.D, rows, s.wide, w.F, s.quantized,
               Epilogue::relu);  // (rows, D) -> (rows, F)
  layer.down.run(kernel, s.wide, w.F, rows, s.x, w.D, s.quantized,
                 Epilogue::residual);  // (rows, F) -> (rows, D)
}

}  // namespace ppgfast
