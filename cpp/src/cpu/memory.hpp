// Blocks of memory for weights and files.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace ppgfast::cpu {

struct FreeBlock {
  void operator()(void* block) const noexcept {
#if defined(_WIN32)
    ::operator delete(block, std::align_val_t{64});
#else
    std::free(block);
#endif
  }
};
using Block = std::unique_ptr<void, FreeBlock>;

// At least `bytes` at a multiple of 64, or null. Large blocks ask for huge pages: to hand out 4 MB in pages
// of 4 KiB takes the system longer than to read them from a file.
Block allocate(std::size_t bytes) noexcept;

}  // namespace ppgfast::cpu
