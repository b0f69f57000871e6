#include "model/papagei.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

namespace ppgfast {

using kernels::Epilogue;
using kernels::padded;

namespace {

constexpr std::size_t taps = 3;

// Floats of the largest activations that a pass may fill; three such maps are in use. Windows of a pass share
// the streaming of the weights, 22 MB in f32, and push each other out of L2: measured, more do not pay.
constexpr std::size_t floats_per_pass = 128 * 1024, floats_per_pass_s8 = 16 * 1024;

// y (rows, width) = max(x * gain + shift, 0). A product and a sum, each rounded: the same bits at any vector
// width, so the compiler may vectorise it for the baseline. It touches each number once, beside 3 * width
// multiply-adds of the convolution that follows: not worth an op of the kernel table.
void activate(const float* x, const float* gain, const float* shift, std::size_t rows, std::size_t width,
              float* y) noexcept {
  for (std::size_t t = 0; t < rows; ++t, x += width, y += width) {
    for (std::size_t c = 0; c < width; ++c) {
      const float value = x[c] * gain[c] + shift[c];
      y[c] = value > 0.0f ? value : 0.0f;
    }
  }
}

// The way around a block, for one window: x (length, width) -> y (ceil(length / stride), y_width). With
// stride 2 the larger of two neighbours goes on, an odd last one compared with zero; channels move up by
// `up`, others are zero.
void carry(const float* x, std::size_t length, std::size_t channels, std::size_t width, std::size_t stride,
           float* y, std::size_t y_width, std::size_t up) noexcept {
  for (std::size_t t = 0; t < length; t += stride, x += stride * width, y += y_width) {
    std::memset(y, 0, y_width * sizeof(float));
    std::memcpy(y + up, x, channels * sizeof(float));
    if (stride == 1) continue;
    for (std::size_t c = 0; c < channels; ++c) {
      const float next = t + 1 < length ? x[width + c] : 0.0f;
      y[up + c] = y[up + c] > next ? y[up + c] : next;
    }
  }
}

}  // namespace

struct Papagei::BlockTensors {
  BatchNormTensors bn_1, bn_2;
  LinearTensors conv_1, conv_2;
};

struct Papagei::Tensors {
  LinearTensors conv, hidden, out;
  BatchNormTensors bn, final_bn;
  std::unique_ptr<BlockTensors[]> blocks;
};

Papagei::Papagei(const ModelConfig& config, const kernels::Kernels& kernel) noexcept
    : config_(config),
      kernel_(kernel),
      D_(padded(config.d_model)),
      H_(padded(config.d_classifier)),
      C_(padded(config.n_outputs)) {}

Papagei::~Papagei() = default;

Error Papagei::allocate() noexcept {
  tensors_.reset(new (std::nothrow) Tensors);
  blocks_.reset(new (std::nothrow) Block[config_.n_blocks]);
  if (tensors_) tensors_->blocks.reset(new (std::nothrow) BlockTensors[config_.n_blocks]);
  if (!tensors_ || !blocks_ || !tensors_->blocks) return failure(Status::out_of_memory);
  shape_blocks();
  return Error();
}

Error Papagei::read(const format::File& file) noexcept {
  if (packed_only) return failure(Status::not_packed);
  // The ends stay float32 in every precision. In s8 every norm behind a convolution was folded in before
  // rounding; one before it, with a ReLU between, cannot be.
  const Precision precision = config_.precision;
  const bool is_f32 = precision == Precision::f32;
  TensorReader tensor(file);
  Tensors& t = *tensors_;
  t.conv = tensor.linear("conv", config_.base_filters, conv_.columns(), Precision::f32);
  if (is_f32) t.bn = tensor.batchnorm("bn", config_.base_filters);
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const Block& block = blocks_[i];
    const std::size_t more = channels(config_.base_filters, i);
    char full[64];
    const auto name = [&](const char* tail) noexcept {
      std::snprintf(full, sizeof(full), "block.%02u.%s", i, tail);
      return full;
    };
    if (i > 0) t.blocks[i].bn_1 = tensor.batchnorm(name("bn_1"), block.channels);
    t.blocks[i].conv_1 = tensor.linear(name("conv_1"), more, block.conv_1.columns(), precision);
    if (is_f32) t.blocks[i].bn_2 = tensor.batchnorm(name("bn_2"), more);
    t.blocks[i].conv_2 = tensor.linear(name("conv_2"), more, block.conv_2.columns(), precision);
  }
  t.final_bn = tensor.batchnorm("final_bn", config_.d_model);
  t.hidden = tensor.linear("classifier.hidden", config_.d_classifier, config_.d_model, precision);
  t.out = tensor.linear("classifier.out", config_.n_outputs, config_.d_classifier, Precision::f32);
  return tensor.finish();
}

// Every second block halves the length.
void Papagei::shape_blocks() noexcept {
  const std::size_t F = config_.base_filters;
  conv_ = Convolution({config_.window, 1, 1, F, taps, 1});
  std::size_t length = config_.window, come_in = F;
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    Block& block = blocks_[i];
    const std::size_t more = channels(config_.base_filters, i);
    block.length = length;
    block.channels = come_in;
    block.narrow = padded(come_in);
    block.wide = padded(more);
    block.stride = i % 2 == 1 ? 2 : 1;
    block.reshapes = block.stride > 1 || more > come_in;
    block.up = (more - come_in) / 2;
    block.conv_1 = Convolution({length, come_in, block.narrow, more, taps, block.stride});
    block.conv_2 = Convolution({block.conv_1.positions(), more, block.wide, more, taps, 1});
    // A block that does not reshape has the pitch of the one before: the same lengths ask for the same gaps.
    block.pitch = std::max(block.conv_1.least_pitch(), block.conv_2.least_pitch());
    length = block.conv_1.positions();
    come_in = more;
  }
  const std::size_t budget = config_.precision == Precision::f32 ? floats_per_pass : floats_per_pass_s8;
  windows_ = rows_per_pass_ == 1 ? 1 : std::max<std::size_t>(1, budget / map_floats(1));
}

std::size_t Papagei::pack(Carver carver) noexcept {
  const Tensors& t = *tensors_;
  const Precision precision = config_.precision;
  conv_.pack(carver, kernel_, Precision::f32, [&](std::size_t n) { return normalised(t.conv, t.bn, n); });
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const BlockTensors& source = t.blocks[i];
    Block& to = blocks_[i];
    if (i > 0) pack_norm(carver, source.bn_1, to.channels, &to.gain, &to.shift);
    to.conv_1.pack(carver, kernel_, precision,
                   [&](std::size_t n) { return normalised(source.conv_1, source.bn_2, n); });
    to.conv_2.pack(carver, kernel_, precision, [&](std::size_t n) { return SourceRow{&source.conv_2, n}; });
  }
  pack_norm(carver, t.final_bn, config_.d_model, &final_gain_, &final_shift_);
  hidden_ = pack_linear(carver, kernel_, precision, config_.d_classifier, config_.d_model, t.hidden);
  out_ = pack_linear(carver, kernel_, Precision::f32, config_.n_outputs, config_.d_classifier, t.out);
  if (!carver.measures()) tensors_.reset();
  return carver.used();
}

void Papagei::pack_norm(Carver& carver, const BatchNormTensors& bn, std::size_t channels, const float** gain,
                        const float** shift) const noexcept {
  float* const gains = carver.take(channels);
  float* const shifts = carver.take(channels);
  *gain = gains;
  *shift = shifts;
  if (!carver.fills()) return;
  for (std::size_t c = 0; c < padded(channels); ++c) {
    gains[c] = c < channels ? static_cast<float>(bn.gain(c)) : 0.0f;
    shifts[c] = c < channels ? static_cast<float>(bn.shift(c)) : 0.0f;
  }
}

std::size_t Papagei::multiply_adds() const noexcept {
  std::size_t sum = conv_.positions() * config_.base_filters * conv_.columns();
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const std::size_t outputs = channels(config_.base_filters, i);
    for (const Convolution* conv : {&blocks_[i].conv_1, &blocks_[i].conv_2}) {
      sum += conv->positions() * outputs * conv->columns();
    }
  }
  return sum + config_.d_classifier * (config_.d_model + config_.n_outputs);
}

// Floats of the largest activations of `count` windows.
std::size_t Papagei::map_floats(std::size_t count) const noexcept {
  std::size_t most = 0;
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    const Block& block = blocks_[i];
    most = std::max({most, block.stride * block.pitch * block.narrow, block.pitch * block.wide});
  }
  return count * most;
}

Papagei::Scratch Papagei::carve(float* scratch) const noexcept {
  const std::size_t map = map_floats(windows_);
  Carver carver(scratch);
  Scratch s{};
  s.samples = carver.take_after(taps, windows_ * blocks_[0].pitch);
  s.x = carver.take_after(D_, map);
  s.a = carver.take_after(D_, map);
  s.h = carver.take_after(D_, map);
  s.feature = carver.take(windows_ * D_);
  s.inside = carver.take(windows_ * H_);
  s.raw = carver.take(windows_ * C_);
  if (config_.precision == Precision::s8) {
    QuantizedRows::Extent extent;
    for (unsigned i = 0; i < config_.n_blocks; ++i) {
      const Block& block = blocks_[i];
      extent.include(block.conv_1.rows(windows_, block.pitch), block.conv_1.k());
      extent.include(block.conv_2.rows(windows_, block.pitch), block.conv_2.k());
    }
    extent.include(windows_, config_.d_model);
    s.quantized = QuantizedRows::carve(carver, extent);
  }
  s.used = carver.used();
  return s;
}

// x = x + conv_2(relu(conv_1(relu(bn_1(x))))): (count, l, narrow) -> (count, l', wide); x came in `pitch`
// rows apart.
void Papagei::run_block(const Block& block, std::size_t count, std::size_t pitch, Scratch* s) const noexcept {
  const std::size_t in = pitch * block.narrow, out = block.pitch * block.wide;
  float* from = s->x;  // the first block starts with its convolution
  if (block.gain != nullptr) {
    from = s->a;
    for (std::size_t b = 0; b < count; ++b) {
      activate(s->x + b * in, block.gain, block.shift, block.length, block.narrow,
               from + b * block.stride * block.pitch * block.narrow);
    }
  }
  block.conv_1.surround(from, count, block.pitch);
  block.conv_1.run(kernel_, from, count, block.pitch, s->h, s->quantized, Epilogue::relu);
  if (block.reshapes) {
    for (std::size_t b = 0; b < count; ++b) {
      carry(s->x + b * in, block.length, block.channels, block.narrow, block.stride, s->a + b * out,
            block.wide, block.up);
    }
    std::swap(s->x, s->a);
  }
  block.conv_2.surround(s->h, count, block.pitch);
  block.conv_2.run(kernel_, s->h, count, block.pitch, s->x, s->quantized, Epilogue::residual);
}

void Papagei::forward(const float* windows, std::size_t count, float* outputs, float* hidden,
                      float* scratch) const noexcept {
  Scratch s = carve(scratch);
  const std::size_t L = config_.window, d = config_.d_model;

  // windows (count, L) -> x (count, L, F)
  const std::size_t first = blocks_[0].pitch;
  for (std::size_t b = 0; b < count; ++b)
    std::memcpy(s.samples + b * first, windows + b * L, L * sizeof(float));
  conv_.surround(s.samples, count, first);
  conv_.run(kernel_, s.samples, count, first, s.x, s.quantized, Epilogue::relu);

  std::size_t pitch = first;
  for (unsigned i = 0; i < config_.n_blocks; ++i) {
    run_block(blocks_[i], count, pitch, &s);
    pitch = blocks_[i].pitch;
  }
  const std::size_t length = blocks_[config_.n_blocks - 1].conv_1.positions();

  // feature: (count, l, D) -> (count, D)
  for (std::size_t b = 0; b < count; ++b) {
    activate(s.x + b * pitch * D_, final_gain_, final_shift_, length, D_, s.a);
    mean_over_time(s.a, length, D_, s.feature + b * D_);
    if (hidden != nullptr) std::memcpy(hidden + b * d, s.feature + b * D_, d * sizeof(float));
  }
  if (outputs == nullptr) return;

  // classifier: (count, D) -> (count, H) -> (count, C)
  hidden_.run(kernel_, s.feature, D_, count, s.inside, H_, s.quantized, Epilogue::relu);
  out_.run(kernel_, s.inside, H_, count, s.raw, C_, s.quantized);
  for (std::size_t b = 0; b < count; ++b) {
    std::memcpy(outputs + b * config_.n_outputs, s.raw + b * C_, config_.n_outputs * sizeof(float));
  }
}

}  // namespace ppgfast
