// The kernel table: what every instruction set must provide, and with which bits.
//
// scalar.cpp is the definition: every other table returns the same bits. The rules that make this possible:
// - linear: an output starts as its bias and takes k = 0, 1, ... K-1 in order, each by one fused
// multiply-add.
// - sums: 16 lanes; lane l takes elements l, l + 16, ...; lanes then fold 8-4-2-1.
// - exp and erf: the polynomials of constants.hpp, by fused multiply-adds in Horner's order.
// - division and square root: IEEE, correctly rounded.
// - int8: activations are rounded to nearest even, products are summed exactly in int32, and one multiply-add
// makes
//   them floats again.
// Rows of activations are padded with zeros to a multiple of 16 floats, so no kernel has a column tail.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ppgfast::kernels {

constexpr size_t lanes = 16;

constexpr size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }
constexpr size_t padded(size_t n) { return round_up(n, lanes); }

// How a kernel table wants weights packed: panels of `nr` outputs, `kr` consecutive inputs side by side.
// A panel holds nr biases, then for each group of kr inputs nr x kr weights; outputs beyond the last are
// zero.
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

// Rows of activations as int8, each with a scale of its own (dynamic, symmetric): x ~ q * scale, q in [-127,
// 127]. A table may store q + activation_offset, so that instructions which want one operand unsigned fit.
struct QuantizeS8 {
  const float* x;  // (rows, k), row stride x_stride
  size_t x_stride;
  size_t rows;
  size_t k;
  uint8_t* q;    // (rows, quantized_stride(k)); beyond k as q = 0
  float* scale;  // (rows): largest |x| / 127; 0 for a row whose largest |x| is below quantize_lowest
};
constexpr size_t quantized_stride(size_t k) { return round_up(k, 64); }
constexpr float quantize_lowest = 1e-30f;  // below it 127 / |x| would leave the range of float

// y = float(sum of q w) * (x_scale * w_scale) + bias, then the epilogue.
// A panel holds nr biases (float), nr scales (float), nr corrections (int32: activation_offset times the sum
// of the output's weights), then for each group of kr inputs nr x kr weights in [-127, 127]. Two neighbours
// (2i, 2i + 1) of the same sign add up to at most 129 in magnitude: 254 * 129 fits into 16 bits, which keeps
// sums exact at full speed.
struct LinearS8 {
  const uint8_t* x;  // as QuantizeS8 leaves it, stride quantized_stride(k)
  const float* x_scale;
  size_t rows;
  size_t k;
  const uint8_t* panels;
  size_t n_panels;
  float* y;  // (rows, n_panels * nr), row stride y_stride
  size_t y_stride;
  Epilogue epilogue;
};
constexpr int32_t pair_limit = 129;

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
  size_t rotated;           // a multiple of 16, at most d_head: of a head's dimensions, the first that turn
  const float* rotary_cos;  // (tokens, rotated); 1 where one of them does not turn
  const float* rotary_sin;  // (tokens, rotated); minus sin at even, plus sin at odd dimensions, or 0
  float* y;                 // (tokens, n_heads * d_head)
  float* scratch;           // attention_scratch(tokens, d_head) floats, 64-byte aligned
};

// Rotated queries, transposed, rotated keys, and the scores of 16 queries, of one head.
constexpr size_t attention_group = 4;
constexpr size_t attention_scratch(size_t tokens, size_t d_head) {
  return padded(tokens) * d_head * 2 + lanes * padded(tokens);
}

// Attention of one more token, all heads: scores take bias, then d_head multiply-adds in order; softmax and
// the weighted sum of values are those of AttentionF32.
struct AttentionStepF32 {
  const float* query;   // (n_heads * d_head), scale folded in
  const float* keys;    // (n_heads * d_head, key_stride), a key to a column, oldest first; the rest is finite
  size_t key_stride;    // a multiple of 16, at least n_keys
  const float* values;  // (n_keys, n_heads * d_head)
  const float* bias;    // (n_heads, bias_stride), as many as keys, and readable up to padded(n_keys)
  size_t bias_stride;
  size_t n_keys;  // at least 1
  size_t n_heads;
  size_t d_head;   // a multiple of 16 (heads are padded with zeros)
  float* y;        // (n_heads * d_head)
  float* scratch;  // padded(n_keys) floats, 64-byte aligned
};

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

// Morphology loss of one window and its gradients: cosines of every student patch to every teacher patch over
// a temperature, softmax of each row, cross-entropy against the row's own position. A patch whose squared
// length is not above tiny_square has no direction: its cosines are 0, and so is its gradient.
struct MorphologyF32 {
  const float* student;  // (rows, width)
  const float* teacher;  // (rows, width)
  size_t rows;           // patches, at least 1
  size_t width;          // a multiple of 16
  float inverse_temperature;
  float weight;      // of a row's loss, in the gradients
  float* exp_sum;    // (rows): the loss of row i is log(exp_sum[i]) + gap[i]
  float* gap;        // (rows): NaN where a patch is not finite or its squared length overflows
  float* d_student;  // (rows, width)
  float* d_teacher;  // (rows, width), or null
  float* scratch;    // morphology_scratch(rows, width) floats, 64-byte aligned
};

// Cosines, softmax, 16 columns of the teacher or of a panel, and four numbers of each row.
constexpr size_t morphology_scratch(size_t rows, size_t width) {
  return 2 * rows * padded(rows) + lanes * width + 4 * padded(rows);
}

// Rhythm loss of one window and its gradient by the student: the distances between patches, sums of squared
// differences of at least tiny_square, in units of their mean; smooth-L1 (beta 1) of student against teacher.
struct RhythmF32 {
  const float* student;  // (rows, student_width)
  size_t student_width;  // a multiple of 16, as the teacher's
  const float* teacher;  // (rows, teacher_width)
  size_t teacher_width;
  size_t rows;       // patches, at least 2
  float weight;      // of an entry of the (rows, rows) errors, in the gradient
  float* loss;       // sum of the errors; NaN where a patch is not finite or a squared distance overflows
  float* d_student;  // (rows, student_width)
  float* scratch;    // rhythm_scratch(rows) floats, 64-byte aligned
};

// Distances of the student, distances of the teacher, 16 columns of the student.
constexpr size_t rhythm_scratch(size_t rows) { return 2 * rows * padded(rows) + lanes * rows; }

struct Kernels {
  const char* name;
  Layout layout;
  Layout layout_s8;
  int32_t activation_offset;
  void (*linear_f32)(const LinearF32&);
  void (*quantize_s8)(const QuantizeS8&);
  void (*linear_s8_f32)(const LinearS8&);
  void (*rmsnorm_f32)(const RmsNormF32&);
  void (*attention_f32)(const AttentionF32&);
  void (*attention_step_f32)(const AttentionStepF32&);
  void (*head_f32)(const HeadF32&);
  void (*morphology_f32)(const MorphologyF32&);
  void (*rhythm_f32)(const RhythmF32&);
};

extern const Kernels scalar;
#if defined(PPGFAST_HAVE_AVX2)
extern const Kernels avx2;
#endif
#if defined(PPGFAST_HAVE_AVX512)
extern const Kernels avx512;
#endif
#if defined(PPGFAST_HAVE_AVX512VNNI)
extern const Kernels avx512vnni;
#endif
#if defined(PPGFAST_HAVE_NEON)
extern const Kernels neon;
#endif
#if defined(PPGFAST_HAVE_NEON_DOT)
extern const Kernels neon_dot;
#endif
#if defined(PPGFAST_HAVE_MVE)
extern const Kernels mve;
#endif

}  // namespace ppgfast::kernels
