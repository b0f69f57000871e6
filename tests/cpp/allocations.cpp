#include "allocations.hpp"

#include <cstdlib>
#include <new>
#if defined(_WIN32)
#include <malloc.h>
#endif

std::atomic<long> allocations{0};
std::atomic<long> refuse_at{-1};

// The core takes memory by `new (std::nothrow)` and aligned_alloc.
static bool refused() {
  ++allocations;
  return refuse_at >= 0 && refuse_at-- == 0;
}

void* operator new(std::size_t n) {
  ++allocations;
  void* block = std::malloc(n);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void* operator new[](std::size_t n) { return operator new(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return refused() ? nullptr : std::malloc(n);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return refused() ? nullptr : std::malloc(n);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
#if defined(_WIN32)
void* operator new(std::size_t n, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return refused() ? nullptr : ::_aligned_malloc(n, static_cast<std::size_t>(alignment));
}
void operator delete(void* block, std::align_val_t) noexcept { ::_aligned_free(block); }
#else
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t n) noexcept {
  if (refused()) return nullptr;
  void* block = nullptr;
  return posix_memalign(&block, alignment, n) == 0 ? block : nullptr;
}
#endif
