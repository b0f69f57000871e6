#include "model/gpt.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

#include "model/rotary.hpp"

namespace ppgfast {

using kernels::padded;

namespace {

// Samples in [0, 1] come in as 0.8 x + 0.1, where the logit of the generative head is tame.
constexpr double input_gain = 0.8, input_shift = 0.1;
constexpr float layernorm_epsilon = 1e-5f;
constexpr float highest_frequency = 100.0f;  // radians per patch; published: 1 and below

}  // namespace

struct Gpt::LayerTensors : TransformerTensors {
  TensorF32 rotary;
};

struct Gpt::Tensors {
  LinearTensors patch;
  TensorF32 sep, head_gain, head_shift, head, head_bias;
  std::unique_ptr<LayerTensors[]> layers;
};

Gpt::Gpt(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      w_(config),
      T_(config.n_patches + 1),
      K_(padded(T_)),
      R_(padded(w_.dh / 4 * 2)) {}

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
  tensors_->patch = tensor.linear("patch", w_.d, config_.channels * config_.patch, Precision::f32);
  tensors_->sep = tensor.f32("sep", w_.d);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    LayerTensors& t = tensors_->layers[i];
    char name[64];
    std::snprintf(name, sizeof(name), "layer.%02u.attention.rotary", i);
    t.rotary = tensor.f32(name, w_.dh / 4, 0, 0.0f, highest_frequency);
    t.read(tensor, i, w_.d, precision);
  }
  tensors_->head_gain = tensor.f32("head.norm.weight", T_ * w_.d);
  tensors_->head_shift = tensor.f32("head.norm.bias", T_ * w_.d);
  tensors_->head = tensor.f32("head.linear.weight", config_.n_outputs, T_ * w_.d);
  tensors_->head_bias = tensor.f32("head.linear.bias", config_.n_outputs);
  return tensor.finish();
}

std::size_t Gpt::pack(Carver carver) noexcept {
  pack_patch(carver);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    const LayerTensors& t = tensors_->layers[i];
    layers_[i].pack_attention(carver, kernel_, t, w_, config_.precision);
    pack_rotary(carver, t, &layers_[i]);
    layers_[i].pack_ffn(carver, kernel_, t, w_, config_.precision);
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
      carver, kernel_, Precision::f32, w_.d, P,
      [&](std::size_t n) {
        double sum = 0.0;
        for (std::size_t k = 0; k < P; ++k) sum += t.patch.weight[n * P + k];
        return SourceRow{&t.patch, n, 1.0, input_shift * sum};
      },
      [](std::size_t k) { return k; }, [](std::size_t) { return input_gain; });
  float* sep = carver.take(w_.D);
  if (carver.fills()) {
    for (std::size_t i = 0; i < w_.D; ++i) sep[i] = i < w_.d ? t.sep[i] : 0.0f;
  }
  sep_ = sep;
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
    for (std::size_t pair = 0; pair < w_.dh / 4; ++pair) {
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

void Gpt::pack_head(Carver& carver) noexcept {
  const Tensors& t = *tensors_;
  const auto padded_rows = [&](const TensorF32& tensor, std::size_t rows) noexcept -> const float* {
    float* out = carver.take(rows * w_.D);
    for (std::size_t i = 0; carver.fills() && i < rows * w_.D; ++i)
      out[i] = i % w_.D < w_.d ? tensor[i / w_.D * w_.d + i % w_.D] : 0.0f;
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
  const std::size_t patches = config_.n_patches * config_.channels * config_.patch * w_.d;
  return patches + config_.n_layers * T_ * 12 * w_.d * w_.d + T_ * w_.d * config_.n_outputs;
}

std::size_t Gpt::windows_per_pass() const noexcept { return std::max<std::size_t>(1, rows_per_pass_ / T_); }

Gpt::Scratch Gpt::carve(float* scratch) const noexcept {
  const std::size_t rows = windows_per_pass() * T_;
  Carver carver(scratch);
  Scratch s{};
  static_cast<TransformerScratch&>(s) = TransformerScratch::carve(carver, w_, rows, config_.precision);
  s.attention = carver.take(kernels::attention_scratch(T_, w_.Dh));
  s.head = carver.take(T_ * w_.D);
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
    float* x = s.x + b * T_ * w_.D;
    std::memcpy(x, sep_, w_.D * sizeof(float));
    patch_.run(kernel_, windows + b * N * P, P, N, x + w_.D, w_.D, s.quantized);
  }

  for (std::size_t i = 0; i < config_.n_layers; ++i) {
    const Layer& layer = layers_[i];
    run_layer(kernel_, layer, w_, rows, s, [&] {
      for (std::size_t b = 0; b < count; ++b) {  // (T, 3 A) -> (T, A)
        kernel_.attention_f32({s.wide + b * T_ * 3 * w_.A, T_, config_.n_heads, w_.Dh, R_, layer.rotary_cos,
                               layer.rotary_sin, s.narrow + b * T_ * w_.A, s.attention});
      }
    });
  }

  for (std::size_t row = 0; hidden != nullptr && row < rows; ++row) {
    std::memcpy(hidden + row * w_.d, s.x + row * w_.D, w_.d * sizeof(float));
  }

  // head: x (count, T, D) -> outputs (count, n_outputs)
  for (std::size_t b = 0; outputs != nullptr && b < count; ++b) {
    kernel_.head_f32({s.x + b * T_ * w_.D, T_, w_.d, w_.D, layernorm_epsilon, head_gain_, head_shift_,
                      head_weight_, head_bias_, config_.n_outputs, outputs + b * config_.n_outputs, s.head});
  }
}

std::size_t Gpt::state() const noexcept {
  return config_.scaling == Scaling::none && config_.channels == 1 ? place(nullptr).used : 0;
}

Gpt::State Gpt::place(float* block) const noexcept {
  Carver carver(block);
  State s{};
  s.seen = reinterpret_cast<std::uint32_t*>(carver.take(1));
  s.no_bias = carver.take(K_);
  s.x = carver.take(T_ * w_.D);
  s.layers = carver.take(config_.n_layers * (K_ + T_) * w_.A);
  s.used = carver.used();
  return s;
}

// The next patches of a window, `forward` but for the attention: it finds the keys and values of the tokens
// before in the state.
void Gpt::extend(float* block, const float* patches, std::size_t count, float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  const State state = place(block);
  const std::size_t before = *state.seen, sep = before == 0 ? 1 : 0, rows = sep + count;
  if (sep == 1) std::memcpy(s.x, sep_, w_.D * sizeof(float));
  patch_.run(kernel_, patches, config_.patch, count, s.x + sep * w_.D, w_.D, s.quantized);
  for (std::size_t i = 0; i < config_.n_layers; ++i) {
    run_layer(kernel_, layers_[i], w_, rows, s, [&] {
      for (std::size_t t = 0; t < rows; ++t) {
        attend(state, i, before + t, s.wide + t * 3 * w_.A, s.narrow + t * w_.A, s);
      }
    });
  }
  std::memcpy(state.x + before * w_.D, s.x, rows * w_.D * sizeof(float));
  *state.seen = static_cast<std::uint32_t>(before + rows);
}

// Turns query and key of a token by its position, keeps key and value, and lets it look back: (3 A) -> (A).
void Gpt::attend(const State& state, std::size_t layer, std::size_t token, float* qkv, float* y,
                 const Scratch& s) const noexcept {
  const std::size_t A = w_.A;
  const float* const cosine = layers_[layer].rotary_cos + token * R_;
  const float* const sine = layers_[layer].rotary_sin + token * R_;
  for (float* head = qkv; head < qkv + 2 * A; head += w_.Dh) {
    for (std::size_t i = 0; i < R_; i += 2) {  // as the kernels: x cos + neighbour sin
      const float even = head[i], odd = head[i + 1];
      head[i] = std::fma(odd, sine[i], even * cosine[i]);
      head[i + 1] = std::fma(even, sine[i + 1], odd * cosine[i + 1]);
    }
  }
  float* const keys = state.layers + layer * (K_ + T_) * A;
  float* const values = keys + K_ * A;
  for (std::size_t c = 0; c < A; ++c) keys[c * K_ + token] = qkv[A + c];
  std::memcpy(values + token * A, qkv + 2 * A, A * sizeof(float));
  kernel_.attention_step_f32(
      {qkv, keys, K_, values, state.no_bias, 0, token + 1, config_.n_heads, w_.Dh, y, s.attention});
}

void Gpt::answer(const float* block, float* outputs, float* scratch) const noexcept {
  const State state = place(const_cast<float*>(block));
  kernel_.head_f32({state.x, T_, w_.d, w_.D, layernorm_epsilon, head_gain_, head_shift_, head_weight_,
                    head_bias_, config_.n_outputs, outputs, carve(scratch).head});
}

}  // namespace ppgfast
