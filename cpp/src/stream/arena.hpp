// Hands out parts of one block, each at a multiple of 64; from null it only adds up what is needed.
#pragma once

#include <cstddef>

namespace ppgfast::stream {

class Arena {
 public:
  explicit Arena(void* block) noexcept : block_(static_cast<unsigned char*>(block)) {}

  template <typename T>
  T* take(std::size_t n) noexcept {
    T* const part = block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + used_);
    used_ += (n * sizeof(T) + 63) / 64 * 64;
    return part;
  }
  std::size_t used() const noexcept { return used_; }

 private:
  unsigned char* block_;
  std::size_t used_ = 0;
};

}  // namespace ppgfast::stream
