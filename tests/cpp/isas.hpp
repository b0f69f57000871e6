// The kernel tables that this CPU runs, fastest first.
#pragma once

#include <vector>

#include "cpu/select.hpp"

inline std::vector<const char*> isas() {
  using namespace ppgfast;
  cpu::Candidate candidate[cpu::max_candidates];
  const std::size_t n = cpu::candidates(cpu::detect(), candidate);
  std::vector<const char*> names;
  for (std::size_t i = 0; i < n; ++i) {
    if (candidate[i].supported) names.push_back(candidate[i].table->name);
  }
  return names;
}
