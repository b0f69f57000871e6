#include "model/gpt.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

#include "model/rotary.hpp"
#include "model/weights.hpp"

namespace ppgfast {

using kernels::Epilogue;
using kernels::padded;

namespace {

// Samples in [0, 1] come in as 0.8 x + 0.1, where the logit of the generative head is tame.
constexpr double input_gain = 0.8, input_shift = 0.1;
constexpr float rmsnorm_epsilon = 1e-8f, layernorm_epsilon = 1e-5f;
constexpr float highest_frequency = 100.0f;  // radians per patch; published: 1 and below

}  // namespace

struct Gpt::LayerTensors {
  TensorF32 attention_norm, rotary, ffn_norm;
  LinearTensors query, key, value, out, up, down;
};

struct Gpt::Tensors {
  LinearTensors patch;
  TensorF32 sep, head_gain, head_shift, head, head_bias;
  std::unique_ptr<LayerTensors[]> layers;
};

Gpt::Gpt(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      T_(config.n_patches + 1),
      d_(config.d_model),
      D_(padded(d_)),
      dh_(d_ / config.n_heads),
      Dh_(padded(dh_)),
      R_(padded(dh_ / 4 * 2)),
      A_(config.n_heads * Dh_),
      F_(padded(4 * d_)) {}

Gpt::~Gpt() = default;

Error Gpt::allocate() noexcept {
  tensors_.reset(new (std::nothrow) Tensors);
  layers_.reset(new (std::nothrow) Layer[config_.n_layers]);
  if (tensors_) tensors_->layers.reset(new (std::nothrow) LayerTensors[config_.n_layers]);
  return tensors_ && layers_ && tensors_->layers ? Error() : failure(Status::out_of_memory);
}

Error Gpt::read(const format::File& file) noexcept {
  if (packed_only) return failure(Status::not_packed);
  // The ends stay float32 in every precision: samples and outputs are where a rounding error is seen most.
  const Precision precision = config_.precision;
  TensorReader tensor(file);
  tensors_->patch = tensor.linear("patch", d_, config_.channels * config_.patch, Precision::f32);
  tensors_->sep = tensor.f32("sep", d_);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    LayerTensors& t = tensors_->layers[i];
    char full[64];
    const auto name = [&](const char* tail) noexcept {
      std::snprintf(full, sizeof(full), "layer.%02u.%s", i, tail);
      return full;
    };
    t.rotary = tensor.f32(name("attention.rotary"), dh_ / 4, 0, 0.0f, highest_frequency);
    t.query = tensor.linear(name("attention.query"), d_, d_, precision);
    t.key = tensor.linear(name("attention.key"), d_, d_, precision);
    t.value = tensor.linear(name("attention.value"), d_, d_, precision);
    t.out = tensor.linear(name("attention.out"), d_, d_, precision);
    t.up = tensor.linear(name("ffn.up"), 4 * d_, d_, precision);
    t.down = tensor.linear(name("ffn.down"), d_, 4 * d_, precision);
    if (precision ==
        Precision::f32) {  // in s8 they were multiplied into the weights before those were rounded
      t.attention_norm = tensor.f32(name("attention.norm"), d_);
      t.ffn_norm = tensor.f32(name("ffn.norm"), d_);
    }
  }
  tensors_->head_gain = tensor.f32("head.norm.weight", T_ * d_);
  tensors_->head_shift = tensor.f32("head.norm.bias", T_ * d_);
  tensors_->head = tensor.f32("head.linear.weight", config_.n_outputs, T_ * d_);
  tensors_->head_bias = tensor.f32("head.linear.bias", config_.n_outputs);
  return tensor.finish();
}

std::size_t Gpt::pack(Carver carver) noexcept {
  pack_patch(carver);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    pack_attention(carver, tensors_->layers[i], &layers_[i]);
    pack_rotary(carver, tensors_->layers[i], &layers_[i]);
    pack_ffn(carver, tensors_->layers[i], &layers_[i]);
  }
  pack_head(carver);
  if (!carver.measures()) tensors_.reset();
  return carver.used();
}

// W (0.8 x + 0.1) + b = (0.8 W) x + (b + 0.1 sum W)
void Gpt::pack_patch(Carver& carver) noexcept {
  const Tensors& t = *tensors_;
  const std::size_t P = config_.channels * config_.patch;
  patch_ = pack_linear(
      carver, kernel_, Precision::f32, d_, P,
      [&](std::size_t n) {
        double sum = 0.0;
        for (std::size_t k = 0; k < P; ++k) sum += t.patch.weight[n * P + k];
        return SourceRow{&t.patch, n, 1.0, input_shift * sum};
      },
      [](std::size_t k) { return k; }, [](std::size_t) { return input_gain; });
  float* sep = carver.take(D_);
  if (carver.fills()) {
    for (std::size_t i = 0; i < D_; ++i) sep[i] = i < d_ ? t.sep[i] : 0.0f;
  }
  sep_ = sep;
}

// One product for queries, keys and values, one head after the other, each padded to Dh; the norm's scale
// goes into its columns, 1 / sqrt(d_head) into the queries. The output product has the same padding on its
// inputs.
void Gpt::pack_attention(Carver& carver, const LayerTensors& t, Layer* layer) const noexcept {
  const LinearTensors* const source[] = {&t.query, &t.key, &t.value};
  const double gain[] = {1.0 / std::sqrt(static_cast<double>(dh_)), 1.0, 1.0};
  layer->qkv = pack_linear(
      carver, kernel_, config_.precision, 3 * A_, d_,
      [&](std::size_t n) {
        const std::size_t which = n / A_, head = n % A_ / Dh_, c = n % Dh_;
        return c < dh_ ? SourceRow{source[which], head * dh_ + c, gain[which]} : SourceRow{};
      },
      [](std::size_t k) { return k; }, [&](std::size_t k) { return t.attention_norm[k]; });
  layer->out = pack_linear(
      carver, kernel_, config_.precision, d_, A_, [&](std::size_t n) { return SourceRow{&t.out, n}; },
      [&](std::size_t k) { return k % Dh_ < dh_ ? k / Dh_ * dh_ + k % Dh_ : no_column; },
      [](std::size_t) { return 1.0; });
}

// Pairs (0, 1), (2, 3), ... of the first half of a head turn by position * frequency; SEP is position 0.
void Gpt::pack_rotary(Carver& carver, const LayerTensors& t, Layer* layer) const noexcept {
  float* cosine = carver.take(T_ * R_);
  float* sine = carver.take(T_ * R_);
  layer->rotary_cos = cosine;
  layer->rotary_sin = sine;
  if (!carver.fills()) return;
  for (std::size_t i = 0; i < T_ * R_; ++i) cosine[i] = 1.0f, sine[i] = 0.0f;
  for (std::size_t position = 0; position < T_; ++position) {
    for (std::size_t pair = 0; pair < dh_ / 4; ++pair) {
      const float angle = static_cast<float>(position) * t.rotary[pair];
      const std::size_t even = position * R_ + 2 * pair, odd = even + 1;
      float s, c;
      sine_cosine(angle, &s, &c);
      cosine[even] = cosine[odd] = c;
      sine[even] = -s;
      sine[odd] = s;
    }
  }
}

void Gpt::pack_ffn(Carver& carver, const LayerTensors& t, Layer* layer) const noexcept {
  layer->up = pack_linear(
      carver, kernel_, config_.precision, 4 * d_, d_, [&](std::size_t n) { return SourceRow{&t.up, n}; },
      [](std::size_t k) { return k; }, [&](std::size_t k) { return t.ffn_norm[k]; });
  layer->down = pack_linear(carver, kernel_, config_.precision, d_, 4 * d_, t.down);
}

void Gpt::pack_head(Carver& carver) noexcept {
  const Tensors& t = *tensors_;
  const auto padded_rows = [&](const TensorF32& tensor, std::size_t rows) noexcept -> const float* {
    float* out = carver.take(rows * D_);
    for (std::size_t i = 0; carver.fills() && i < rows * D_; ++i)
      out[i] = i % D_ < d_ ? tensor[i / D_ * d_ + i % D_] : 0.0f;
    return out;
  };
  head_gain_ = padded_rows(t.head_gain, T_);
  head_shift_ = padded_rows(t.head_shift, T_);
  head_weight_ = padded_rows(t.head, config_.n_outputs * T_);
  float* bias = carver.take(config_.n_outputs);
  for (std::size_t i = 0; carver.fills() && i < config_.n_outputs; ++i) bias[i] = t.head_bias[i];
  head_bias_ = bias;
}

// Patches, then 4 d^2 of attention and 8 d^2 of feed-forward for each token of each layer, then the head.
std::size_t Gpt::multiply_adds() const noexcept {
  const std::size_t patches = config_.n_patches * config_.channels * config_.patch * d_;
  return patches + config_.n_layers * T_ * 12 * d_ * d_ + T_ * d_ * config_.n_outputs;
}

std::size_t Gpt::windows_per_pass() const noexcept { return std::max<std::size_t>(1, rows_per_pass_ / T_); }

Gpt::Scratch Gpt::carve(float* scratch) const noexcept {
  const std::size_t rows = windows_per_pass() * T_;
  Carver carver(scratch);
  Scratch s{};
  s.x = carver.take(rows * D_);
  s.narrow = carver.take(rows * std::max(D_, A_));
  s.wide = carver.take(rows * std::max(3 * A_, F_));
  s.attention = carver.take(kernels::attention_scratch(T_, Dh_));
  s.head = carver.take(T_ * D_);
  if (config_.precision == Precision::s8)
    s.quantized = QuantizedRows::carve(carver, rows, std::max(A_, 4 * d_));
  s.used = carver.used();
  return s;
}

std::size_t Gpt::scratch() const noexcept { return carve(nullptr).used; }

void Gpt::forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                  float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  const std::size_t N = config_.n_patches, P = config_.channels * config_.patch, rows = count * T_;

  // patch embedding: (count, N, C*P) -> x (count, T, D), SEP first
  for (std::size_t b = 0; b < count; ++b) {
    float* x = s.x + b * T_ * D_;
    std::memcpy(x, sep_, D_ * sizeof(float));
    patch_.run(kernel_, windows + b * N * P, P, N, x + D_, D_, s.quantized);
  }

  for (std::size_t i = 0; i < config_.n_layers; ++i) {
    const Layer& layer = layers_[i];

    // x += out(attention(norm(x)))
    kernel_.rmsnorm_f32({s.x, rows, d_, D_, rmsnorm_epsilon, s.narrow});
    layer.qkv.run(kernel_, s.narrow, D_, rows, s.wide, 3 * A_, s.quantized);  // (rows, D) -> (rows, 3 A)
    for (std::size_t b = 0; b < count; ++b) {                                 // (T, 3 A) -> (T, A)
      kernel_.attention_f32({s.wide + b * T_ * 3 * A_, T_, config_.n_heads, Dh_, R_, layer.rotary_cos,
                             layer.rotary_sin, s.narrow + b * T_ * A_, s.attention});
    }
    layer.out.run(kernel_, s.narrow, A_, rows, s.x, D_, s.quantized,
                  Epilogue::residual);  // (rows, A) -> (rows, D)

    // x += down(relu(up(norm(x))))
    kernel_.rmsnorm_f32({s.x, rows, d_, D_, rmsnorm_epsilon, s.narrow});
    layer.up.run(kernel_, s.narrow, D_, rows, s.wide, F_, s.quantized,
                 Epilogue::relu);  // (rows, D) -> (rows, F)
    layer.down.run(kernel_, s.wide, F_, rows, s.x, D_, s.quantized,
                   Epilogue::residual);  // (rows, F) -> (rows, D)
  }

  for (std::size_t row = 0; hidden != nullptr && row < rows; ++row) {
    std::memcpy(hidden + row * d_, s.x + row * D_, d_ * sizeof(float));
  }

  // head: x (count, T, D) -> outputs (count, n_outputs)
  for (std::size_t b = 0; outputs != nullptr && b < count; ++b) {
    kernel_.head_f32({s.x + b * T_ * D_, T_, d_, D_, layernorm_epsilon, head_gain_, head_shift_, head_weight_,
                      head_bias_, config_.n_outputs, outputs + b * config_.n_outputs, s.head});
  }
}

}  // namespace ppgfast
