// Two signals in the order of time. A stream without an accelerometer takes the samples as they come; with
// one, samples that came before the other signal's wait in a queue, so that packets may be cut in any way.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ppgfast/stream.hpp"
#include "stream/arena.hpp"

namespace ppgfast::stream {

struct PpgSample {
  double time;   // as the time stamp says; 0 without one
  double value;  // a float32
};
struct AccSample {
  float axis[3];
};

template <typename T>
class Queue {
 public:
  void init(T* memory, std::size_t capacity) noexcept {
    memory_ = memory;
    capacity_ = capacity;
  }
  bool empty() const noexcept { return count_ == 0; }
  bool full() const noexcept { return count_ == capacity_; }
  void push(const T& x) noexcept {
    memory_[(first_ + count_) % capacity_] = x;
    ++count_;
  }
  T pop() noexcept {
    const T x = memory_[first_];
    first_ = (first_ + 1) % capacity_;
    --count_;
    return x;
  }

 private:
  T* memory_ = nullptr;
  std::size_t capacity_ = 0, first_ = 0, count_ = 0;
};

class Merge {
 public:
  enum class Kind { none, ppg, acc };

  // `patience`: how long a sample waits for the other signal, s.
  void init(const StreamConfig& config, bool with_acc, double patience, Arena& arena) noexcept {
    rate_ = config.sampling_rate;
    acc_rate_ = with_acc ? config.acc_rate : 0.0;
    if (!with_acc) return;
    const auto n = static_cast<std::size_t>(patience * rate_) + 1;
    const auto n_acc = static_cast<std::size_t>(patience * acc_rate_) + 1;
    ppg_.init(arena.take<PpgSample>(n), n);
    acc_.init(arena.take<AccSample>(n_acc), n_acc);
  }

  // The next sample of the two, or none: then all of the chunk is taken.
  Kind next(Chunk* chunk, PpgSample* ppg, AccSample* acc) noexcept {
    const bool acc_is_due = acc_rate_ > 0.0 && static_cast<double>(acc_taken_) * rate_ <=
                                                   static_cast<double>(ppg_taken_) * acc_rate_;
    if (acc_is_due) {
      if (!acc_.empty()) {
        *acc = acc_.pop();
      } else if (chunk->n_acc > 0) {
        *acc = take_acc(chunk);
      } else {
        while (chunk->n > 0 && !ppg_.full()) ppg_.push(take_ppg(chunk));
        if (chunk->n == 0) return Kind::none;
        *acc = {{lost, lost, lost}};
      }
      ++acc_taken_;
      return Kind::acc;
    }
    if (!ppg_.empty()) {
      *ppg = ppg_.pop();
    } else if (chunk->n > 0) {
      *ppg = take_ppg(chunk);
    } else {
      while (acc_rate_ > 0.0 && chunk->n_acc > 0 && !acc_.full()) acc_.push(take_acc(chunk));
      if (acc_rate_ == 0.0 || chunk->n_acc == 0) return Kind::none;
      *ppg = {static_cast<double>(lost), static_cast<double>(lost)};
    }
    ++ppg_taken_;
    return Kind::ppg;
  }

  // Where the PPG sample taken last lies on the accelerometer's axis: samples after the one taken last, in
  // [0, 1).
  double acc_offset() const noexcept {
    return static_cast<double>(ppg_taken_ - 1) * acc_rate_ / rate_ - static_cast<double>(acc_taken_ - 1);
  }

 private:
  static constexpr float lost = std::numeric_limits<float>::quiet_NaN();

  static PpgSample take_ppg(Chunk* chunk) noexcept {
    PpgSample sample = {0.0, static_cast<double>(*chunk->ppg++)};
    if (chunk->times != nullptr) sample.time = *chunk->times++;
    --chunk->n;
    return sample;
  }
  static AccSample take_acc(Chunk* chunk) noexcept {
    const float* const a = chunk->acc;
    chunk->acc += 3;
    --chunk->n_acc;
    return {{a[0], a[1], a[2]}};
  }

  double rate_ = 0.0, acc_rate_ = 0.0;
  std::int64_t ppg_taken_ = 0, acc_taken_ = 0;
  Queue<PpgSample> ppg_;  // at most one of the two holds samples
  Queue<AccSample> acc_;
};

}  // namespace ppgfast::stream
