#include "model/streamgpt.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

#include "model/convolution.hpp"
#include "model/scaling.hpp"

namespace ppgfast {

using kernels::padded;

namespace {

// Where the next of `capacity` rows goes, oldest first: behind those that are there, or at the end after the
// oldest has left.
float* next_row(float* rows, std::size_t width, std::size_t capacity, std::size_t seen) noexcept {
  if (seen < capacity) return rows + seen * width;
  std::memmove(rows, rows + width, (capacity - 1) * width * sizeof(float));
  return rows + (capacity - 1) * width;
}

}  // namespace

struct StreamGpt::LayerTensors : TransformerTensors {
  TensorF32 age;
};

struct StreamGpt::Tensors {
  LinearTensors patch, head;
  TensorF32 norm;
  std::unique_ptr<LayerTensors[]> layers;
};

StreamGpt::StreamGpt(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      w_(config),
      W_(config.reach),
      K_(padded(W_)),
      B_(padded(W_ - 1 + K_)),
      C_(padded(config.n_outputs)) {}

StreamGpt::~StreamGpt() = default;

Error StreamGpt::allocate() noexcept {
  tensors_.reset(new (std::nothrow) Tensors);
  layers_.reset(new (std::nothrow) Layer[config_.n_layers]);
  if (tensors_) tensors_->layers.reset(new (std::nothrow) LayerTensors[config_.n_layers]);
  return tensors_ && layers_ && tensors_->layers ? Error() : failure(Status::out_of_memory);
}

Error StreamGpt::read(const format::File& file) noexcept {
  if (packed_only) return failure(Status::not_packed);
  // The ends stay float32 in every precision: samples and outputs are where a rounding error is seen most.
  TensorReader tensor(file);
  tensors_->patch = tensor.linear("patch", w_.d, config_.patch, Precision::f32);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    LayerTensors& t = tensors_->layers[i];
    char name[64];
    std::snprintf(name, sizeof(name), "layer.%02u.attention.age", i);
    t.age = tensor.f32(name, config_.n_heads, W_);
    t.read(tensor, i, w_.d, config_.precision);
  }
  tensors_->norm = tensor.f32("norm", w_.d);
  tensors_->head = tensor.linear("head", config_.n_outputs, w_.d, Precision::f32);
  return tensor.finish();
}

std::size_t StreamGpt::pack(Carver carver) noexcept {
  const Tensors& t = *tensors_;
  patch_ = pack_linear(carver, kernel_, Precision::f32, w_.d, config_.patch, t.patch);
  for (unsigned i = 0; i < config_.n_layers; ++i) {
    layers_[i].pack_attention(carver, kernel_, t.layers[i], w_, config_.precision);
    layers_[i].age = pack_ages(carver, t.layers[i]);
    layers_[i].pack_ffn(carver, kernel_, t.layers[i], w_, config_.precision);
  }
  head_ = pack_linear(
      carver, kernel_, Precision::f32, config_.n_outputs, w_.d,
      [&](std::size_t n) { return SourceRow{&t.head, n}; }, [](std::size_t k) { return k; },
      [&](std::size_t k) { return t.norm[k]; });
  if (!carver.measures()) tensors_.reset();
  return carver.used();
}

// The file has the youngest key first. With fewer than W keys, those of the last columns are used.
const float* StreamGpt::pack_ages(Carver& carver, const LayerTensors& t) const noexcept {
  float* const ages = carver.take(config_.n_heads * B_);
  for (std::size_t i = 0; carver.fills() && i < config_.n_heads * B_; ++i) {
    const std::size_t head = i / B_, column = i % B_;
    ages[i] = column < W_ ? t.age[head * W_ + W_ - 1 - column] : 0.0f;
  }
  return ages;
}

// Patches, then 4 d^2 of attention and 8 d^2 of feed-forward for each patch of each layer, then the head.
std::size_t StreamGpt::multiply_adds() const noexcept {
  const std::size_t each = config_.patch * w_.d + config_.n_layers * 12 * w_.d * w_.d;
  return config_.n_patches * each + w_.d * config_.n_outputs;
}

// Patches worked on at once.
std::size_t StreamGpt::rows() const noexcept {
  return std::min<std::size_t>(config_.n_patches, rows_per_pass_);
}

StreamGpt::State StreamGpt::place(float* block) const noexcept {
  const std::size_t N = config_.n_patches;
  Carver carver(block);
  State s{};
  s.seen = reinterpret_cast<std::uint32_t*>(carver.take(1));
  s.mean = carver.take(N);
  s.variance = carver.take(N);
  s.pooled = carver.take(N * w_.D);
  s.layers = carver.take(config_.n_layers * (K_ + W_) * w_.A);
  s.used = carver.used();
  return s;
}

StreamGpt::Scratch StreamGpt::carve(float* scratch) const noexcept {
  const std::size_t n = rows();
  Carver carver(scratch);
  Scratch s{};
  static_cast<TransformerScratch&>(s) = TransformerScratch::carve(carver, w_, n, config_.precision);
  s.scaled = carver.take(n * config_.patch);
  s.attention = carver.take(K_);
  s.feature = carver.take(w_.D);
  s.raw = carver.take(C_);
  s.state = carver.take(state());
  s.used = carver.used();
  return s;
}

void StreamGpt::forward(const float* windows, std::size_t, float* outputs, float* hidden,
                        float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  const std::size_t N = config_.n_patches;
  std::memset(s.state, 0, state() * sizeof(float));
  for (std::size_t done = 0, n; done < N; done += n) {
    n = std::min(rows(), N - done);
    take(s.state, windows + done * config_.patch, n, s);
    for (std::size_t row = 0; hidden != nullptr && row < n; ++row) {
      std::memcpy(hidden + (done + row) * w_.d, s.x + row * w_.D, w_.d * sizeof(float));
    }
  }
  if (outputs != nullptr) answer(s.state, outputs, scratch);
}

void StreamGpt::extend(float* state, const float* patches, std::size_t count, float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  for (std::size_t done = 0, n; done < count; done += n) {
    n = std::min(rows(), count - done);
    take(state, patches + done * config_.patch, n, s);
  }
}

// The next n patches of a signal, n <= rows(); leaves what the last layer makes of them in s.x.
void StreamGpt::take(float* block, const float* patches, std::size_t n, const Scratch& s) const noexcept {
  const State state = place(block);
  const std::size_t P = config_.patch, before = *state.seen;

  // patch embedding: (n, P) -> x (n, D)
  for (std::size_t t = 0; t < n; ++t) scale(state, before + t, patches + t * P, s.scaled + t * P);
  patch_.run(kernel_, s.scaled, P, n, s.x, w_.D, s.quantized);

  float* kept = state.layers;
  for (std::size_t i = 0; i < config_.n_layers; ++i, kept += (K_ + W_) * w_.A) {
    run_layer(kernel_, layers_[i], w_, n, s, [&] {
      for (std::size_t t = 0; t < n; ++t) {
        attend(kept, kept + K_ * w_.A, before + t, s.wide + t * 3 * w_.A, layers_[i], s.narrow + t * w_.A, s);
      }
    });
  }

  kernel_.rmsnorm_f32({s.x, n, w_.d, w_.D, rmsnorm_epsilon, s.narrow});
  for (std::size_t t = 0; t < n; ++t) {
    float* const row = next_row(state.pooled, w_.D, config_.n_patches, before + t);
    std::memcpy(row, s.narrow + t * w_.D, w_.D * sizeof(float));
  }
  *state.seen =
      static_cast<std::uint32_t>(std::min(before + n, std::max<std::size_t>(config_.n_patches, W_)));
}

// A patch less the mean of the N patches that end with it, over their deviation.
void StreamGpt::scale(const State& state, std::size_t seen, const float* patch,
                      float* scaled) const noexcept {
  const std::size_t N = config_.n_patches, P = config_.patch, known = std::min(seen + 1, N);
  const Moments moments = moments_of(patch, P);
  *next_row(state.mean, 1, N, seen) = moments.mean;
  *next_row(state.variance, 1, N, seen) = moments.variance;
  float mean = 0.0f, variance = 0.0f;
  for (std::size_t i = 0; i < known; ++i) mean += state.mean[i];
  mean /= static_cast<float>(known);
  for (std::size_t i = 0; i < known; ++i) {
    const float apart = state.mean[i] - mean;
    variance += state.variance[i] + apart * apart;
  }
  const float deviation = std::sqrt(variance / static_cast<float>(known));
  for (std::size_t i = 0; i < P; ++i) scaled[i] = deviation > 0.0f ? (patch[i] - mean) / deviation : 0.0f;
}

// Keeps the key and the value of one patch, and lets it look at the last W of them: (3 A) -> (A).
void StreamGpt::attend(float* keys, float* values, std::size_t seen, const float* qkv, const Layer& layer,
                       float* y, const Scratch& s) const noexcept {
  const std::size_t A = w_.A, known = std::min(seen + 1, W_);
  // Each key is a column. What comes into the last one from the row below is overwritten, or nobody's.
  if (seen >= W_) std::memmove(keys, keys + 1, (A * K_ - 1) * sizeof(float));
  for (std::size_t c = 0; c < A; ++c) keys[c * K_ + known - 1] = qkv[A + c];
  std::memcpy(next_row(values, A, W_, seen), qkv + 2 * A, A * sizeof(float));
  kernel_.attention_step_f32(
      {qkv, keys, K_, values, layer.age + (W_ - known), B_, known, config_.n_heads, w_.Dh, y, s.attention});
}

// head: the mean of the last N vectors, (N, D) -> (D) -> (C)
void StreamGpt::answer(const float* block, float* outputs, float* scratch) const noexcept {
  const Scratch s = carve(scratch);
  mean_over_time(place(const_cast<float*>(block)).pooled, config_.n_patches, w_.D, s.feature);
  head_.run(kernel_, s.feature, w_.D, 1, s.raw, C_, s.quantized);
  std::memcpy(outputs, s.raw, config_.n_outputs * sizeof(float));
}

}  // namespace ppgfast
