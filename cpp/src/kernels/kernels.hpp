// The kernel table: what every instruction set must provide, and with which bits.
//
// scalar.cpp is the definition: every other table returns the same bits. The rules that make this possible:
// - linear: an output starts as its bias and takes k = 0, 1, ... K-1 in order, each by one fused multiply-add.
// - sums: 16 lanes; lane l takes elements l, l + 16, ...; lanes then fold 8-4-2-1.
// - exp and erf: the polynomials of constants.hpp, by fused multiply-adds in Horner's order.
// - division and square root: IEEE, correctly rounded.
// Rows of activations are padded with zeros to a multiple of 16 floats, so no kernel has a column tail.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ppgfast::kernels {

constexpr size_t lanes = 16;

constexpr size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr size_t padded(size_t n) { return round_up(n, lanes); }

// How a kernel table wants weights packed: panels of `nr` outputs, `kr` consecutive inputs side by side.
// A panel holds nr biases, then for each group of kr inputs nr x kr weights; outputs beyond the last are zero.
struct Layout {
  size_t nr;
  size_t kr;
};

enum class Epilogue : int32_t {
  none,           // y = x W^T + b
  relu,           // y = max(x W^T + b, 0)
  residual,       // y = y + (x W^T + b)
  residual_relu,  // y = max(y + (x W^T + b), 0)
};

struct LinearF32 {
  const float* x;  // (rows, k), row stride x_stride
  size_t x_stride;
  size_t rows;
  size_t k;
  const float* panels;  // n_panels packed panels
  size_t n_panels;
  float* y;  // (rows, n_panels * nr), row stride y_stride >= n_panels * nr; must not overlap x
  size_t y_stride;
  Epilogue epilogue;
};

struct RmsNormF32 {
  const float* x;  // (rows, stride): width used, the rest zero
  size_t rows;
  size_t width;
  size_t stride;  // padded(width)
  float epsilon;  // added to the mean square
  float* y;       // (rows, stride)
};

struct AttentionF32 {
  const float* qkv;  // (tokens, 3 * n_heads * d_head): queries, keys, values, scale folded into the queries
  size_t tokens;
  size_t n_heads;
  size_t d_head;            // a multiple of 16 (heads are padded with zeros)
  const float* rotary_cos;  // (tokens, d_head); 1 where a dimension is not rotated
  const float* rotary_sin;  // (tokens, d_head); minus sin at even, plus sin at odd dimensions, 0 where not rotated
  float* y;                 // (tokens, n_heads * d_head)
  float* scratch;           // attention_scratch(tokens, d_head) floats, 64-byte aligned
};

// Rotated queries, rotated and transposed keys, and the scores of one group of four rows, of one head.
constexpr size_t attention_group = 4;
constexpr size_t attention_scratch(size_t tokens, size_t d_head) {
  return padded(tokens) * d_head * 2 + attention_group * padded(tokens);
}

// LayerNorm over all tokens of one window, exact GELU and the last Linear, in one pass each.
struct HeadF32 {
  const float* x;  // (tokens, stride): width used, the rest zero
  size_t tokens;
  size_t width;
  size_t stride;      // padded(width)
  float epsilon;      // added to the variance
  const float* gain;  // (tokens, stride), zero in the padding, as shift and weight are
  const float* shift;
  const float* weight;  // (outputs, tokens, stride)
  const float* bias;    // (outputs)
  size_t outputs;
  float* y;        // (outputs)
  float* scratch;  // tokens * stride floats, 64-byte aligned
};

struct Kernels {
  const char* name;
  Layout layout;
  void (*linear_f32)(const LinearF32&);
  void (*rmsnorm_f32)(const RmsNormF32&);
  void (*attention_f32)(const AttentionF32&);
  void (*head_f32)(const HeadF32&);
};

extern const Kernels scalar;
#if defined(PPGFAST_HAVE_AVX2)
extern const Kernels avx2;
#endif

}  // namespace ppgfast::kernels
