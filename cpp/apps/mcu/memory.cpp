// No heap: what opening a model takes comes from one arena, from front to back, and is never given back.
#include "memory.hpp"

#include <new>

#include "cpu/memory.hpp"

const std::nothrow_t std::nothrow{};

namespace {

unsigned char* arena = nullptr;
std::size_t arena_size = 0, used = 0;

void* take(std::size_t bytes) noexcept {
  const std::size_t rounded = (bytes + 7) / 8 * 8;
  if (rounded > arena_size - used) return nullptr;
  void* const block = arena + used;
  used += rounded;
  return block;
}

}  // namespace

void give_arena(void* block, std::size_t bytes) noexcept {
  arena = static_cast<unsigned char*>(block);
  arena_size = bytes;
  used = 0;
}

std::size_t arena_used() noexcept { return used; }

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return take(bytes); }
extern "C" void free(void*) {}  // the C library's would bring its heap along

void operator delete(void*) noexcept {}
void operator delete[](void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}
void operator delete[](void*, std::size_t) noexcept {}

namespace ppgfast::cpu {

Block allocate(std::size_t) noexcept { return nullptr; }  // weights are used where they lie

}  // namespace ppgfast::cpu
