// Which kernel table to use.
#pragma once

#include <cstddef>

#include "cpu/features.hpp"
#include "kernels/kernels.hpp"
#include "ppgfast/status.hpp"

namespace ppgfast::cpu {

struct Candidate {
  const kernels::Kernels* table;
  bool supported;  // by the features given
};

constexpr std::size_t max_candidates = 8;

// Every table in this build, fastest first; returns how many.
std::size_t candidates(const Features& features, Candidate (&out)[max_candidates]) noexcept;

// The fastest supported table, or the one named `forced`. Null and "" force nothing. A pure function.
Error select(const Features& features, const char* forced, const kernels::Kernels** out) noexcept;

}  // namespace ppgfast::cpu
