// Counts what a program allocates by `new` and aligned_alloc; link allocations.cpp.
#pragma once

#include <atomic>

extern std::atomic<long> allocations;
