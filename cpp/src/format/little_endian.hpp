// Little-endian integers at any address, on any machine. Compilers make one load of each.
#pragma once

#include <cstdint>

namespace ppgfast::format {

inline std::uint16_t u16_at(const unsigned char* p) noexcept {
  return static_cast<std::uint16_t>(p[0] | p[1] << 8);
}

inline std::uint32_t u32_at(const unsigned char* p) noexcept {
  return u16_at(p) | static_cast<std::uint32_t>(u16_at(p + 2)) << 16;
}

inline std::uint64_t u64_at(const unsigned char* p) noexcept {
  return u32_at(p) | static_cast<std::uint64_t>(u32_at(p + 4)) << 32;
}

}  // namespace ppgfast::format
