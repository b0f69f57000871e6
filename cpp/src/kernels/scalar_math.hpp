// exp and erf, one number at a time: the definition that every table keeps to.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "constants.hpp"

namespace ppgfast::kernels {

inline float exp_f32(float x) {
  x = x > exp_lowest ? x : exp_lowest;
  x = x < exp_highest ? x : exp_highest;
  const float shifted = fmaf(x, log2_e, round_magic);
  const float n = shifted - round_magic;
  float r = fmaf(n, -ln2_high, x);
  r = fmaf(n, -ln2_low, r);
  float p = exp_polynomial[4];
  for (int i = 3; i >= 0; --i) p = fmaf(p, r, exp_polynomial[i]);
  p = fmaf(p, r * r, r);
  p = p + 1.0f;
  uint32_t bits;  // of `shifted`: its low bits are n, in two's complement
  memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits << 23) + (127u << 23);
  float power;
  memcpy(&power, &bits, sizeof(power));
  return p * power;
}

inline float erf_f32(float z) {
  z = z > -erf_limit ? z : -erf_limit;
  z = z < erf_limit ? z : erf_limit;
  const float w = z * z;
  float p = erf_numerator[5];
  float q = erf_denominator[5];
  for (int i = 4; i >= 0; --i) {
    p = fmaf(p, w, erf_numerator[i]);
    q = fmaf(q, w, erf_denominator[i]);
  }
  return z * p / q;
}

}  // namespace ppgfast::kernels
