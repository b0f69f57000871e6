// The patch losses of distillation over a batch of windows, with their gradients (training/losses.py says
// what they are for). One window at a time, from its vectors to its gradients: memory does not grow with the
// batch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.hpp"

namespace ppgfast::losses {

// Patches that do not count may hold anything.
struct Batch {
  const float* student;      // (windows, patches, student_width)
  const float* teacher;      // (windows, patches, teacher_width)
  const std::uint8_t* mask;  // (windows, patches): not 0 where a patch counts; null for all
  std::size_t windows;
  std::size_t patches;
  std::size_t student_width;
  std::size_t teacher_width;
};

// What the mean of a loss is taken over: patches of all windows that count (morphology), pairs of them
// (rhythm).
struct Counts {
  double rows = 0.0;
  double pairs = 0.0;
};
Counts count(const Batch& batch) noexcept;

// Where a call writes. Patches that do not count get a gradient of zero.
struct Result {
  double* loss;      // (windows): sums, to be added up and divided by the count; NaN for what is not finite
  float* d_student;  // (windows, patches, student_width): of the mean
  float* d_teacher;  // (windows, patches, teacher_width), or null; morphology only
};

// Floats of scratch memory, 64-byte aligned, that one call needs.
std::size_t morphology_scratch(const Batch& batch) noexcept;
std::size_t rhythm_scratch(const Batch& batch) noexcept;

// Windows [begin, end). A window's results do not depend on the others, but for the count: any cut of a batch
// gives the same bits. Both never fail, allocate, lock or throw.
//
// InfoNCE of the patches of a window; student_width == teacher_width.
void morphology(const kernels::Kernels& kernel, const Batch& batch, float temperature, double rows,
                std::size_t begin, std::size_t end, const Result& result, float* scratch) noexcept;
// Smooth-L1 between the distances of a window's patches, each in units of their mean.
void rhythm(const kernels::Kernels& kernel, const Batch& batch, double pairs, std::size_t begin,
            std::size_t end, const Result& result, float* scratch) noexcept;

}  // namespace ppgfast::losses
