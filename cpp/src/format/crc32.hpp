// CRC-32 as in zlib: reflected polynomial 0xEDB88320. Finds accidents; it is no protection against intent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppgfast::format {

std::uint32_t crc32(const unsigned char* bytes, std::size_t size) noexcept;

}  // namespace ppgfast::format
