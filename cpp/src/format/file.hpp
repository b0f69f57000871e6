// A path -> the bytes of a regular file, in a 64-byte-aligned block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/memory.hpp"
#include "ppgfast/status.hpp"

namespace ppgfast::format {

// Owns the bytes of one file.
class FileBytes {
 public:
  // Reads the whole file: regular files only, at most 1 GiB, complete even after short reads and EINTR.
  Error read(const char* path) noexcept;

  const unsigned char* data() const noexcept { return static_cast<const unsigned char*>(data_.get()); }
  std::size_t size() const noexcept { return size_; }

 private:
  cpu::Block data_;
  std::size_t size_ = 0;
};

}  // namespace ppgfast::format
