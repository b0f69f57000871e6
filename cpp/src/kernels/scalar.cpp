// The definition: plain loops, one operation at a time, in the order that every other table keeps.

#include <math.h>
#include <string.h>

#include "kernels.hpp"
#include "scalar_math.hpp"

namespace ppgfast::kernels {
namespace {

constexpr size_t nr = 16;
constexpr size_t kr_s8 = 16;

float finish(float sum, float old, Epilogue epilogue) {
  const bool add_old = epilogue == Epilogue::residual || epilogue == Epilogue::residual_relu;
  const bool relu = epilogue == Epilogue::relu || epilogue == Epilogue::residual_relu;
  const float value = add_old ? old + sum : sum;
  return relu && !(value > 0.0f) ? 0.0f : value;
}

// (rows, k) x (k, n) -> (rows, n)
void linear_f32(const LinearF32& a) {
  const size_t panel_floats = nr + a.k * nr;
  for (size_t p = 0; p < a.n_panels; ++p) {
    const float* bias = a.panels + p * panel_floats;
    const float* weights = bias + nr;
    for (size_t row = 0; row < a.rows; ++row) {
      const float* x = a.x + row * a.x_stride;
      float* y = a.y + row * a.y_stride + p * nr;
      float sum[nr];
      memcpy(sum, bias, sizeof(sum));
      for (size_t k = 0; k < a.k; ++k) {
        for (size_t n = 0; n < nr; ++n) sum[n] = fmaf(x[k], weights[k * nr + n], sum[n]);
      }
      for (size_t n = 0; n < nr; ++n) y[n] = finish(sum[n], y[n], a.epilogue);
    }
  }
}

// x (rows, k) -> q (rows, k) as int8, scale (rows)
void quantize_s8(const QuantizeS8& a) {
  const size_t stride = quantized_stride(a.k);
  for (size_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.x_stride;
    uint8_t* q = a.q + row * stride;
    float largest = 0.0f;
    for (size_t k = 0; k < a.k; ++k) {
      const float magnitude = fabsf(x[k]);
      largest = magnitude > largest ? magnitude : largest;
    }
    const bool usable = largest > quantize_lowest;
    const float inverse = usable ? 127.0f / largest : 0.0f;
    a.scale[row] = usable ? largest / 127.0f : 0.0f;
    for (size_t k = 0; k < stride; ++k) {
      float value = k < a.k ? x[k] * inverse : 0.0f;
      value = value > -127.0f ? value : -127.0f;  // written so that NaN becomes a number everywhere
      value = value < 127.0f ? value : 127.0f;
      // Adding the magic number leaves the nearest integer, ties to even, in the low bits.
      const float shifted = value + round_magic;
      q[k] = static_cast<uint8_t>(static_cast<int8_t>(shifted - round_magic));
    }
  }
}

// (rows, k) x (k, n) -> (rows, n), int8 in and float out. A row's inputs are zero up to a multiple of kr_s8.
void linear_s8_f32(const LinearS8& a) {
  const size_t stride = quantized_stride(a.k), K = round_up(a.k, kr_s8), panel_bytes = nr * (12 + K);
  for (size_t p = 0; p < a.n_panels; ++p) {
    const uint8_t* panel = a.panels + p * panel_bytes;
    float bias[nr], scale[nr];
    memcpy(bias, panel, sizeof(bias));
    memcpy(scale, panel + sizeof(bias), sizeof(scale));
    const int8_t* weights = reinterpret_cast<const int8_t*>(panel + nr * 12);
    for (size_t row = 0; row < a.rows; ++row) {
      const int8_t* x = reinterpret_cast<const int8_t*>(a.x + row * stride);
      float* y = a.y + row * a.y_stride + p * nr;
      for (size_t n = 0; n < nr; ++n) {
        int32_t sum = 0;
        for (size_t k = 0; k < K; k += kr_s8) {
          for (size_t l = 0; l < kr_s8; ++l) sum += x[k + l] * weights[k * nr + n * kr_s8 + l];
        }
        y[n] = finish(fmaf(static_cast<float>(sum), a.x_scale[row] * scale[n], bias[n]), y[n], a.epilogue);
      }
    }
  }
}

#if !defined(PPGFAST_NO_ATTENTION)
float fold(float (&lane)[lanes]) {
  for (size_t half = lanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) lane[l] = lane[l] + lane[l + half];
  }
  return lane[0];
}

void rmsnorm_f32(const RmsNormF32& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.stride;
    float* y = a.y + row * a.stride;
    float lane[lanes] = {};
    for (size_t i = 0; i < a.stride; ++i) lane[i % lanes] = fmaf(x[i], x[i], lane[i % lanes]);
    const float mean_square = fold(lane) / static_cast<float>(a.width);
    const float scale = 1.0f / sqrtf(mean_square + a.epsilon);
    for (size_t i = 0; i < a.stride; ++i) y[i] = x[i] * scale;
  }
}

float gelu_f32(float x) {
  const float half = 0.5f * x;
  return fmaf(half, erf_f32(x * sqrt_half), half);
}

// Rotates one token's d_head values: each pair (even, odd) of the first `rotated` by its angle.
void rotate(const float* x, const float* cosine, const float* sine, size_t rotated, size_t d_head, float* y) {
  for (size_t i = 0; i < rotated; ++i) y[i] = fmaf(x[i ^ 1], sine[i], x[i] * cosine[i]);
  for (size_t i = rotated; i < d_head; ++i) y[i] = x[i];
}

// Causal attention of one head. Rows go in groups of four that share their columns: beyond a row's own
// diagonal the weight is zero up to the group's end.
void attention_head(const AttentionF32& a, size_t head) {
  const size_t T = a.tokens, Dh = a.d_head, stride = 3 * a.n_heads * Dh;
  const float* queries = a.qkv + head * Dh;
  const float* keys = queries + a.n_heads * Dh;
  const float* values = keys + a.n_heads * Dh;
  float* q = a.scratch;               // (T, Dh)
  float* k = q + padded(T) * Dh;      // (T, Dh)
  float* score = k + padded(T) * Dh;  // (T)

  for (size_t t = 0; t < T; ++t) {
    const float *cosine = a.rotary_cos + t * a.rotated, *sine = a.rotary_sin + t * a.rotated;
    rotate(queries + t * stride, cosine, sine, a.rotated, Dh, q + t * Dh);
    rotate(keys + t * stride, cosine, sine, a.rotated, Dh, k + t * Dh);
  }
  for (size_t i = 0; i < T; ++i) {
    const size_t group_end = round_up(i + 1, attention_group) < T ? round_up(i + 1, attention_group) : T;
    float highest = -INFINITY;
    for (size_t j = 0; j <= i; ++j) {
      float s = 0.0f;
      for (size_t c = 0; c < Dh; ++c) s = fmaf(q[i * Dh + c], k[j * Dh + c], s);
      score[j] = s;
      highest = s > highest ? s : highest;
    }
    float lane[lanes] = {};
    for (size_t j = 0; j < group_end; ++j) {
      score[j] = j <= i ? exp_f32(score[j] - highest) : 0.0f;
      lane[j % lanes] = lane[j % lanes] + score[j];
    }
    const float inverse = 1.0f / fold(lane);
    float* y = a.y + (i * a.n_heads + head) * Dh;
    for (size_t c = 0; c < Dh; ++c) {
      float sum = 0.0f;
      for (size_t j = 0; j < group_end; ++j) sum = fmaf(score[j], values[j * stride + c], sum);
      y[c] = sum * inverse;
    }
  }
}

void attention_f32(const AttentionF32& a) {
  for (size_t head = 0; head < a.n_heads; ++head) attention_head(a, head);
}

void attention_step_f32(const AttentionStepF32& a) {
  const size_t width = a.n_heads * a.d_head;
  float* const score = a.scratch;
  for (size_t head = 0; head < a.n_heads; ++head) {
    const float* q = a.query + head * a.d_head;
    const float* k = a.keys + head * a.d_head * a.key_stride;
    float highest = -INFINITY;
    for (size_t j = 0; j < a.n_keys; ++j) {
      float s = a.bias[head * a.bias_stride + j];
      for (size_t c = 0; c < a.d_head; ++c) s = fmaf(q[c], k[c * a.key_stride + j], s);
      score[j] = s;
      highest = s > highest ? s : highest;
    }
    float lane[lanes] = {};
    for (size_t j = 0; j < a.n_keys; ++j) {
      score[j] = exp_f32(score[j] - highest);
      lane[j % lanes] = lane[j % lanes] + score[j];
    }
    const float inverse = 1.0f / fold(lane);
    for (size_t c = 0; c < a.d_head; ++c) {
      float sum = 0.0f;
      for (size_t j = 0; j < a.n_keys; ++j)
        sum = fmaf(score[j], a.values[j * width + head * a.d_head + c], sum);
      a.y[head * a.d_head + c] = sum * inverse;
    }
  }
}

void head_f32(const HeadF32& a) {
  const size_t count = a.tokens * a.stride;
  const float n = static_cast<float>(a.tokens * a.width);

  float lane[lanes] = {};
  for (size_t i = 0; i < count; ++i) lane[i % lanes] = lane[i % lanes] + a.x[i];
  const float mean = fold(lane) / n;

  for (size_t l = 0; l < lanes; ++l) lane[l] = 0.0f;
  for (size_t i = 0; i < count; ++i) {
    const float centred = i % a.stride < a.width ? a.x[i] - mean : 0.0f;
    lane[i % lanes] = fmaf(centred, centred, lane[i % lanes]);
  }
  const float scale = 1.0f / sqrtf(fold(lane) / n + a.epsilon);

  float* hidden = a.scratch;  // (tokens, stride); gain, shift and so GELU are zero in the padding
  for (size_t i = 0; i < count; ++i)
    hidden[i] = gelu_f32(fmaf((a.x[i] - mean) * scale, a.gain[i], a.shift[i]));

  for (size_t o = 0; o < a.outputs; ++o) {
    const float* weight = a.weight + o * count;
    for (size_t l = 0; l < lanes; ++l) lane[l] = 0.0f;
    for (size_t i = 0; i < count; ++i) lane[i % lanes] = fmaf(hidden[i], weight[i], lane[i % lanes]);
    a.y[o] = a.bias[o] + fold(lane);
  }
}

#else  // convolutions alone
constexpr auto rmsnorm_f32 = nullptr, attention_f32 = nullptr, attention_step_f32 = nullptr,
               head_f32 = nullptr;
#endif

#if defined(PPGFAST_SMALL_DEVICE)  // no training there
constexpr auto morphology_f32 = nullptr, rhythm_f32 = nullptr;
#else
#include "scalar_losses.inl"
#endif

}  // namespace

const Kernels scalar = {
    "scalar",    {nr, 1},       {nr, kr_s8},        0,        linear_f32,     quantize_s8, linear_s8_f32,
    rmsnorm_f32, attention_f32, attention_step_f32, head_f32, morphology_f32, rhythm_f32};

}  // namespace ppgfast::kernels
