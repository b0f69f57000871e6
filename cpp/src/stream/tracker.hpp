// Follows a heart rate from window to window; training/tracker.py is the same story in numpy.
//
// Each window gives a distribution over bins. The belief is the forward filter of a hidden Markov model:
//   belief_t(k) ~ max(p_t(k), tiny)^(1/2) * sum_j step(j, k) * belief_{t-1}(j)
// A step is a Laplace kernel around where the rate was, and a small chance of anything else. The square root
// is because windows overlap: evidence that four of them share counts in part.
#pragma once

#include <cstddef>

namespace ppgfast::stream {

class Tracker {
 public:
  // Doubles of memory that `init` takes.
  static constexpr std::size_t memory(std::size_t bins) noexcept { return 3 * bins; }

  // Bins `step` bpm apart, windows every `hop` s, both above 0; `block` outlives the tracker.
  void init(std::size_t bins, double step, double hop, double* block) noexcept;

  // Back to the beginning: every rate is as likely.
  void reset() noexcept;

  // The next window: its distribution (bins), or null if it tells nothing. Writes the belief (bins), which
  // adds up to 1.
  void push(const float* probability, float* belief) noexcept;

 private:
  std::size_t bins_ = 0;
  double decay_ = 0.0;             // of the Laplace kernel, from one bin to the next
  double leak_ = 0.0;              // chance of a rate that has nothing to do with the last
  double* belief_ = nullptr;       // (bins)
  double* moved_ = nullptr;        // (bins)
  double* inverse_sum_ = nullptr;  // (bins) 1 / sum of the kernel around each bin
};

}  // namespace ppgfast::stream
