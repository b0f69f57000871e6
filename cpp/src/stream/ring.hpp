// The last `capacity` samples, contiguous in memory: each is written twice, one capacity apart.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppgfast::stream {

class Ring {
 public:
  static constexpr std::size_t floats(std::size_t capacity) noexcept { return 2 * capacity; }

  // `memory` holds floats(capacity).
  void init(float* memory, std::size_t capacity) noexcept {
    memory_ = memory;
    capacity_ = capacity;
    at_ = 0;
  }
  void fill(float value) noexcept {
    for (std::size_t i = 0; i < 2 * capacity_; ++i) memory_[i] = value;
    at_ = 0;
  }
  void push(float x) noexcept {
    memory_[at_] = memory_[at_ + capacity_] = x;
    at_ = at_ + 1 == capacity_ ? 0 : at_ + 1;
  }
  // The last n <= capacity samples, in order of time.
  const float* last(std::size_t n) const noexcept { return memory_ + at_ + capacity_ - n; }

 private:
  float* memory_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t at_ = 0;  // of the next sample
};

}  // namespace ppgfast::stream
