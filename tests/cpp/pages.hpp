// Memory as the system gives it: pages that nobody may touch or write to, and blocks at a multiple of 64.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <stdexcept>

#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

// Pages of zeros for at least `bytes`, and behind end() a page that nobody may touch.
class Pages {
 public:
  explicit Pages(std::size_t bytes) {
#if defined(_WIN32)
    SYSTEM_INFO system;
    ::GetSystemInfo(&system);
    page_ = system.dwPageSize;
    size_ = (bytes + page_ - 1) / page_ * page_;
    void* const map = ::VirtualAlloc(nullptr, size_ + page_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (map == nullptr) throw std::runtime_error("VirtualAlloc failed");
#else
    page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size_ = (bytes + page_ - 1) / page_ * page_;
    void* const map =
        ::mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::runtime_error("mmap failed");
#endif
    begin_ = static_cast<unsigned char*>(map);
#if defined(_WIN32)
    DWORD before;
    const bool guarded = ::VirtualProtect(end(), page_, PAGE_NOACCESS, &before) != 0;
#else
    const bool guarded = ::mprotect(end(), page_, PROT_NONE) == 0;
#endif
    if (!guarded) throw std::runtime_error("the page behind cannot be guarded");
  }
  ~Pages() {
#if defined(_WIN32)
    ::VirtualFree(begin_, 0, MEM_RELEASE);
#else
    ::munmap(begin_, size_ + page_);
#endif
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  unsigned char* begin() const { return begin_; }
  unsigned char* end() const { return begin_ + size_; }
  void make_read_only() {
#if defined(_WIN32)
    DWORD before;
    ::VirtualProtect(begin_, size_, PAGE_READONLY, &before);
#else
    ::mprotect(begin_, size_, PROT_READ);
#endif
  }

 private:
  unsigned char* begin_;
  std::size_t size_, page_;
};

// Not by `new`, whose calls some tests count or refuse; of exactly this size for the address sanitizer.
struct Aligned {
  explicit Aligned(std::size_t bytes) {
#if defined(_WIN32)
    block = ::_aligned_malloc(bytes + (bytes == 0), 64);
#else
    if (::posix_memalign(&block, 64, bytes) != 0) block = nullptr;
#endif
    if (block == nullptr) throw std::bad_alloc();
  }
  ~Aligned() {
#if defined(_WIN32)
    ::_aligned_free(block);
#else
    std::free(block);
#endif
  }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;

  void* block = nullptr;
};
