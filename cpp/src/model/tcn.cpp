#include "model/tcn.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

namespace ppgfast {

using kernels::Epilogue;
using kernels::padded;

namespace {

constexpr std::size_t stem_taps = 9, stem_stride = 4, taps = 3;
constexpr unsigned halvings = 2;  // the first blocks halve the length

// In place, x (length, width) -> (ceil(length / 2), width): the larger of two neighbours, an odd last one
// compared with zero.
void halve(float* x, std::size_t length, std::size_t width) noexcept {
  for (std::size_t t = 0; t < length; t += 2) {
    const float* const pair = x + t * width;
    for (std::size_t c = 0; c < width; ++c) {
      const float first = pair[c], second = t + 1 < length ? pair[width + c] : 0.0f;
      x[t / 2 * width + c] = first > second ? first : second;
    }
  }
}

}  // namespace

struct Tcn::BlockTensors {
  LinearTensors conv_1, conv_2;
  BatchNormTensors bn_1, bn_2;
};

struct Tcn::Tensors {
  LinearTensors stem, head;
  BatchNormTensors bn;
  std::unique_ptr<BlockTensors[]> blocks;
};

Tcn::Tcn(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config), kernel_(kernel), D_(padded(config.d_model)), C_(padded(config.n_outputs)) {}

Tcn::~Tcn() = default;

Error Tcn::allocate() noexcept {
  tensors_.reset(new (std::nothrow) Tensors);
  blocks_.reset(new (std::nothrow) Block[config_.n_blocks]);
  if (tensors_) tensors_->blocks.reset(new (std::nothrow) BlockTensors[config_.n_blocks]);
  if (!tensors_ || !blocks_ || !tensors_->blocks) return failure(Status::out_of_memory);
  shape_blocks();
  return Error();
}

Error Tcn::read(const format::File& file) noexcept {
  if (packed_only) return failure(Status::not_packed);
  // The ends stay float32 in every precision. In s8 the norms were folded in before the weights were rounded,
  // and left a bias.
  const Precision precision = config_.precision;
  const bool is_s8 = precision == Precision::s8;
  const std::size_t d = config_.d_model;
  TensorReader tensor(file);
  Tensors& t = *tensors_;
  t.stem = tensor.linear("stem", d, stem_.columns(), Precision::f32, is_s8);
  if (!is_s8) t.bn = tensor.batchnorm("bn", d);
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    char full[64];
    const auto name = [&](const char* tail) noexcept {
      std::snprintf(full, sizeof(full), "block.%02u.%s", i, tail);
      return full;
    };
    BlockTensors& block = t.blocks[i];
    block.conv_1 = tensor.linear(name("conv_1"), d, blocks_[i].conv_1.columns(), precision, is_s8);
    if (!is_s8) block.bn_1 = tensor.batchnorm(name("bn_1"), d);
    block.conv_2 = tensor.linear(name("conv_2"), d, blocks_[i].conv_2.columns(), precision, is_s8);
    if (!is_s8) block.bn_2 = tensor.batchnorm(name("bn_2"), d);
  }
  t.head = tensor.linear("head", config_.n_outputs, d, Precision::f32);
  return tensor.finish();
}

void Tcn::shape_blocks() noexcept {
  const std::size_t d = config_.d_model;
  const std::size_t channels = config_.channels;
  stem_ = Convolution({config_.window, channels, channels, d, stem_taps, stem_stride});
  std::size_t length = stem_.positions();
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    Block& block = blocks_[i];
    block.halves = i < halvings;
    block.conv_1 = Convolution({length, d, D_, d, taps, block.halves ? 2u : 1u});
    block.conv_2 = Convolution({block.conv_1.positions(), d, D_, d, taps, 1});
    length = block.conv_1.positions();
  }
}

std::size_t Tcn::pack(Carver carver) noexcept {
  const Tensors& t = *tensors_;
  stem_.pack(carver, kernel_, Precision::f32, [&](std::size_t n) { return normalised(t.stem, t.bn, n); });
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const BlockTensors& from = t.blocks[i];
    blocks_[i].conv_1.pack(carver, kernel_, config_.precision,
                           [&](std::size_t n) { return normalised(from.conv_1, from.bn_1, n); });
    blocks_[i].conv_2.pack(carver, kernel_, config_.precision,
                           [&](std::size_t n) { return normalised(from.conv_2, from.bn_2, n); });
  }
  head_ = pack_linear(carver, kernel_, Precision::f32, config_.n_outputs, config_.d_model, t.head);
  if (!carver.measures()) tensors_.reset();
  return carver.used();
}

std::size_t Tcn::multiply_adds() const noexcept {
  const std::size_t d = config_.d_model;
  std::size_t sum = stem_.positions() * d * stem_.columns() + d * config_.n_outputs;
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    for (const Convolution* conv : {&blocks_[i].conv_1, &blocks_[i].conv_2}) {
      sum += conv->positions() * d * conv->columns();
    }
  }
  return sum;
}

Tcn::Scratch Tcn::carve(float* scratch) const noexcept {
  const std::size_t padding = taps - 1;                      // rows of zeros around a map
  const std::size_t inside = blocks_[0].conv_1.positions();  // the longest map within a block
  const std::size_t channels = config_.channels;
  const std::size_t samples = stem_.least_pitch() * stem_stride * channels;
  Carver carver(scratch);
  Scratch s{};
  s.x = carver.take_after(D_, (stem_.positions() + padding) * D_);
  // The samples are gone when the first block begins.
  float* const shared =
      carver.take_after(std::max(D_, stem_taps * channels), std::max((inside + padding) * D_, samples));
  s.samples = s.h = shared;
  s.feature = carver.take(D_);
  s.raw = carver.take(C_);
  if (config_.precision == Precision::s8) s.quantized = QuantizedRows::carve(carver, inside, taps * D_);
  s.used = carver.used();
  return s;
}

void Tcn::forward(const float* windows, std::size_t, float* outputs, float* hidden,
                  float* scratch) const noexcept {
  const Scratch s = carve(scratch);

  // stem: samples (L, C) -> x (L / 4, D)
  std::memcpy(s.samples, windows, config_.window * config_.channels * sizeof(float));
  stem_.surround(s.samples);
  stem_.run(kernel_, s.samples, s.x, s.quantized, Epilogue::relu);

  std::size_t length = stem_.positions();
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const Block& block = blocks_[i];

    // x = relu(x + conv_2(relu(conv_1(x)))), x halved where conv_1 halves: (l, D) -> (l', D)
    block.conv_1.surround(s.x);
    block.conv_1.run(kernel_, s.x, s.h, s.quantized, Epilogue::relu);
    if (block.halves) halve(s.x, length, D_);
    block.conv_2.surround(s.h);
    block.conv_2.run(kernel_, s.h, s.x, s.quantized, Epilogue::residual_relu);
    length = block.conv_1.positions();
  }

  // head: the mean over time, (l, D) -> (D) -> (C)
  mean_over_time(s.x, length, D_, s.feature);
  if (hidden != nullptr) std::memcpy(hidden, s.feature, config_.d_model * sizeof(float));
  if (outputs == nullptr) return;
  head_.run(kernel_, s.feature, D_, 1, s.raw, C_, s.quantized);
  std::memcpy(outputs, s.raw, config_.n_outputs * sizeof(float));
}

}  // namespace ppgfast
