// Counts what a program allocates by `new` and aligned_alloc, and can refuse; link allocations.cpp.
#pragma once

#include <atomic>

extern std::atomic<long> allocations;
extern std::atomic<long> refuse_at;  // the allocation that may fail, counted from now, which does; -1: none
