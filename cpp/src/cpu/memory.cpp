#include "cpu/memory.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ppgfast::cpu {

#if defined(_WIN32)

Block allocate(std::size_t bytes) noexcept {
  return Block(::operator new(bytes, std::align_val_t{64}, std::nothrow));
}

#else

Block allocate(std::size_t bytes) noexcept {
  constexpr std::size_t line = 64, huge = std::size_t{2} << 20;
  // A last page that would stay mostly empty is not worth its memory.
  const std::size_t huge_bytes = (bytes + huge / 8) / huge * huge;
  if (huge_bytes == 0) return Block(std::aligned_alloc(line, (bytes + line - 1) / line * line));
  const std::size_t size = bytes > huge_bytes ? (bytes + line - 1) / line * line : huge_bytes;
  void* block = nullptr;
  if (::posix_memalign(&block, huge, size) != 0) return nullptr;
#if defined(__linux__)
  ::madvise(block, huge_bytes,
            MADV_HUGEPAGE);  // a wish: without it, pages are small and all else is the same
#endif
  return Block(block);
}

#endif

}  // namespace ppgfast::cpu
