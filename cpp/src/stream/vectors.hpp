// Four floats and two doubles as the compiler's vectors: every CPU has them, or adds number by number.
#pragma once

#include <cstring>

namespace ppgfast::stream {

using Four = float __attribute__((vector_size(16)));
using Two = double __attribute__((vector_size(16)));

inline Four load(const float* x) noexcept {
  Four four;
  std::memcpy(&four, x, sizeof(four));
  return four;
}
inline Two load(const double* x) noexcept {
  Two two;
  std::memcpy(&two, x, sizeof(two));
  return two;
}
inline Two widened(const float* x) noexcept {
  return Two{static_cast<double>(x[0]), static_cast<double>(x[1])};
}

}  // namespace ppgfast::stream
