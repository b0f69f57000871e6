// How fast one core can multiply and add: float32 by fused multiply-adds, int8 by the dot products this CPU
// has.
//
// Compiled with -march=native where it runs. For each line on stdin, "f32" or "s8", it computes for some 50
// us in registers and answers "<multiply-adds> <nanoseconds>", or "0 0" for an int8 that it does not know.
#include <chrono>
#include <cstdio>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

// Independent sums: at least latency times throughput of a core's multipliers, and they fit in its registers.
#if defined(__x86_64__)
constexpr int chains = 8;
#else
constexpr int chains = 16;
#endif
constexpr int rounds = 24000;

float sink;  // what is computed goes somewhere, so that it is computed

using Floats = float __attribute__((vector_size(vector_bytes)));

// x <- x * a + b with a below 1: finite and normal for ever.
double f32() {
  const Floats a = Floats{} + 0.999f, b = Floats{} + 0.001f;
  Floats x[chains];
  for (int i = 0; i < chains; ++i) x[i] = Floats{} + static_cast<float>(i);
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < chains; ++i) x[i] = x[i] * a + b;
  }
  for (int i = 0; i < chains; ++i) sink += x[i][0];
  return 1.0 * rounds * chains * (vector_bytes / 4);
}

#if defined(__AVX512VNNI__)
using Ints = __m512i;
Ints zero() { return _mm512_setzero_si512(); }
Ints dot(Ints sum, Ints a, Ints b) { return _mm512_dpbusd_epi32(sum, a, b); }
#elif defined(__AVX2__)
using Ints = __m256i;
Ints zero() { return _mm256_setzero_si256(); }
Ints dot(Ints sum, Ints a, Ints b) {
  const Ints pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#elif defined(__ARM_FEATURE_DOTPROD)
using Ints = int32x4_t;
Ints zero() { return vdupq_n_s32(0); }
Ints dot(Ints sum, Ints a, Ints b) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
}
#else
#define NO_INT8
#endif

double s8() {
#if defined(NO_INT8)
  return 0.0;
#else
  Ints x[chains], a = zero(), b = zero();
  for (int i = 0; i < chains; ++i) x[i] = zero();
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < chains; ++i) {
#if defined(__x86_64__)
      asm volatile("" : "+x"(a), "+x"(b));  // else the product, the same each time, leaves the loop
#endif
      x[i] = dot(x[i], a, b);
    }
  }
  for (int i = 0; i < chains; ++i) sink += static_cast<float>(x[i][0]);
  return 1.0 * rounds * chains * sizeof(Ints);
#endif
}

}  // namespace

int main() {
  char line[16];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const bool int8 = std::strncmp(line, "s8", 2) == 0;
    const auto start = std::chrono::steady_clock::now();
    const double operations = int8 ? s8() : f32();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    std::printf("%.0f %.0f\n", operations, operations > 0 ? time.count() : 0.0);
    std::fflush(stdout);
  }
  return sink == 1.0f ? 1 : 0;
}
