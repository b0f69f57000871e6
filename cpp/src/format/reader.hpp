// Bytes -> views of a PPGF v1 file (docs/format.md). Never allocates, never throws, knows nothing about
// models.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppgfast/status.hpp"

namespace ppgfast::format {

constexpr std::uint32_t max_configs = 256;
constexpr std::uint32_t max_tensors = 4096;

enum class DType : std::uint8_t { u8 = 0, i8 = 1, f16 = 2, i32 = 3, f32 = 4 };

struct Config {
  const char* name;  // NUL-terminated, points into the file
  bool is_float;     // which of the two values the file holds; the other one is 0
  std::int64_t i64;
  double f64;
  std::uint64_t offset;  // of the record in the file
};

struct Tensor {
  const char* name;  // NUL-terminated, points into the file
  DType dtype;
  std::uint32_t rank;
  std::uint32_t dims[4];  // unused ones are 1
  const unsigned char* data;
  std::uint64_t bytes;
  std::uint64_t offset;  // of the payload in the file
};

// A view of a checked file. The bytes must outlive it.
class File {
 public:
  // Checks every byte of `bytes[0, size)`; `*out` is usable only if the result is Status::ok.
  static Error parse(const void* bytes, std::size_t size, File* out) noexcept;

  std::uint32_t config_count() const noexcept { return config_count_; }
  std::uint32_t tensor_count() const noexcept { return tensor_count_; }
  Config config(std::uint32_t i) const noexcept;
  Tensor tensor(std::uint32_t i) const noexcept;

  // Binary search by name; false when there is none.
  bool find(const char* name, Config* out) const noexcept;
  bool find(const char* name, Tensor* out) const noexcept;

 private:
  const unsigned char* bytes_ = nullptr;
  std::uint32_t config_count_ = 0;
  std::uint32_t tensor_count_ = 0;
};

}  // namespace ppgfast::format
