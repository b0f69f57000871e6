#include "format/crc32.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cpu/features.hpp"
#include "format/little_endian.hpp"

namespace ppgfast::format {
namespace {

// Sixteen bytes a step, each through its own table: the look-ups do not wait for each other, which makes it
// nine times as fast as one byte a step.
#if defined(PPGFAST_SMALL_DEVICE)
constexpr int slices = 1;  // 1 KB of flash instead of 16
#else
constexpr int slices = 16;
#endif

struct Tables {
  std::uint32_t t[slices][256];
};

// t[k][b]: what the byte b does to the checksum when k zero bytes follow it.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    tables.t[0][b] = crc;
  }
  for (int k = 1; k < slices; ++k) {
    for (int b = 0; b < 256; ++b) {
      const std::uint32_t crc = tables.t[k - 1][b];
      tables.t[k][b] = crc >> 8 ^ tables.t[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

// The four bytes of `word`, the first of which is followed by `after` + 3 bytes of the same step.
std::uint32_t step(std::uint32_t word, int after) noexcept {
  const std::uint32_t(*const t)[256] = tables.t;
  return t[after + 3][word & 0xFF] ^ t[after + 2][word >> 8 & 0xFF] ^ t[after + 1][word >> 16 & 0xFF] ^
         t[after][word >> 24];
}

std::uint32_t look_up(std::uint32_t crc, const unsigned char* bytes, std::size_t size) noexcept {
  for (; slices == 16 && size >= slices; size -= slices, bytes += slices) {
    crc = step(crc ^ u32_at(bytes), 12) ^ step(u32_at(bytes + 4), 8) ^ step(u32_at(bytes + 8), 4) ^
          step(u32_at(bytes + 12), 0);
  }
  for (; size > 0; --size, ++bytes) crc = crc >> 8 ^ tables.t[0][(crc ^ *bytes) & 0xFF];
  return crc;
}

#if defined(__x86_64__)

// x^n modulo the polynomial; the highest bit is x^0, as everywhere here, since bytes count from their low
// bit.
constexpr std::uint32_t power_of_x(int n) {
  std::uint32_t power = 0x80000000u;
  for (; n > 0; --n) power = power & 1 ? power >> 1 ^ 0xEDB88320u : power >> 1;
  return power;
}

// What moves 128 bits, first half and second, by `bits` further from the end. A product of mirrored numbers
// is one bit short, hence the shift.
template <int bits>
__attribute__((target("pclmul"))) inline __m128i moved(__m128i x) noexcept {
  constexpr auto first = static_cast<long long>(std::uint64_t{power_of_x(bits + 32)} << 1);
  constexpr auto second = static_cast<long long>(std::uint64_t{power_of_x(bits - 32)} << 1);
  const __m128i by = _mm_set_epi64x(second, first);
  return _mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11));
}

// `size` a multiple of 64, at least 64: four remainders of 128 bits run side by side, each 512 bits a step.
__attribute__((target("pclmul"))) std::uint32_t fold(std::uint32_t crc, const unsigned char* bytes,
                                                     std::size_t size) noexcept {
  const auto load = [](const unsigned char* p) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  };
  __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128(static_cast<int>(crc)));
  __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
  for (const unsigned char* const end = bytes + size; (bytes += 64) < end;) {
    a = _mm_xor_si128(moved<512>(a), load(bytes));
    b = _mm_xor_si128(moved<512>(b), load(bytes + 16));
    c = _mm_xor_si128(moved<512>(c), load(bytes + 32));
    d = _mm_xor_si128(moved<512>(d), load(bytes + 48));
  }
  b = _mm_xor_si128(moved<128>(a), b);
  c = _mm_xor_si128(moved<128>(b), c);
  d = _mm_xor_si128(moved<128>(c), d);
  unsigned char rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), d);
  return look_up(0, rest, sizeof(rest));
}

#endif

}  // namespace

std::uint32_t crc32(const unsigned char* bytes, std::size_t size) noexcept {
  std::uint32_t crc = 0xFFFFFFFFu;
#if defined(__x86_64__)
  constexpr std::size_t worth_asking = 1 << 16;  // under a hypervisor the question itself takes microseconds
  if (size >= worth_asking && cpu::detect().pclmul) {
    const std::size_t whole = size / 64 * 64;
    crc = fold(crc, bytes, whole);
    bytes += whole;
    size -= whole;
  }
#endif
  return ~look_up(crc, bytes, size);
}

}  // namespace ppgfast::format
