#pragma once

#include <cstddef>

// Where the next model is opened, at a multiple of 8; what was opened before is forgotten.
void give_arena(void* block, std::size_t bytes) noexcept;

// Bytes of it that were taken.
std::size_t arena_used() noexcept;
