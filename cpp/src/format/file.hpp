// A path -> the bytes of a regular file, in a 64-byte-aligned block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppgfast/status.hpp"

namespace ppgfast::format {

// Owns the bytes of one file.
class FileBytes {
 public:
  FileBytes() noexcept = default;
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  // Reads the whole file: regular files only, at most 1 GiB, complete even after short reads and EINTR.
  Error read(const char* path) noexcept;

  const unsigned char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ppgfast::format
