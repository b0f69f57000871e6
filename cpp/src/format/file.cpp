#include "format/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#if defined(_WIN32)
#include <io.h>
#include <windows.h>
#else
#include <unistd.h>
#endif

#include <cerrno>
#include <cstdint>

#include "format/fail_if.hpp"

namespace ppgfast::format {
namespace {

constexpr std::int64_t max_file_bytes = std::int64_t{1} << 30;

#if defined(_WIN32)

using About = struct ::_stat64;

int open_for_reading(const char* path) noexcept {
  wchar_t wide[32768];  // the longest path that Windows knows
  if (::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, 32768) == 0) {
    errno = ENOENT;
    return -1;
  }
  const int descriptor = ::_wopen(wide, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
  About about;  // of a folder, which cannot be opened
  if (descriptor < 0 && errno == EACCES) {
    errno = ::_wstat64(wide, &about) == 0 && (about.st_mode & S_IFMT) == S_IFDIR ? EISDIR : EACCES;
  }
  return descriptor;
}

int look_at(int descriptor, About* about) noexcept { return ::_fstat64(descriptor, about); }

int read_some(int descriptor, void* bytes, std::size_t most) noexcept {
  return ::_read(descriptor, bytes, static_cast<unsigned>(most));
}

void close_file(int descriptor) noexcept { ::_close(descriptor); }

#else

using About = struct ::stat;

int open_for_reading(const char* path) noexcept {
  int descriptor;
  do {
    // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
    descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int look_at(int descriptor, About* about) noexcept { return ::fstat(descriptor, about); }

ssize_t read_some(int descriptor, void* bytes, std::size_t most) noexcept {
  return ::read(descriptor, bytes, most);
}

void close_file(int descriptor) noexcept { ::close(descriptor); }

#endif

// Closes what open_for_reading() opened.
struct Descriptor {
  int value;
  explicit Descriptor(int v) noexcept : value(v) {}
  ~Descriptor() {
    if (value >= 0) close_file(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

Status status_of_open(int error) noexcept {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return Status::file_not_found;
    case EISDIR:
      return Status::file_is_directory;
    case ENXIO:
      return Status::file_not_regular;
    default:
      return Status::file_unreadable;
  }
}

}  // namespace

Error FileBytes::read(const char* path) noexcept {
  data_.reset();
  size_ = 0;

  const Descriptor file(open_for_reading(path));
  FAIL_IF(file.value < 0, status_of_open(errno), 0);
  About about;
  FAIL_IF(look_at(file.value, &about) != 0, Status::file_unreadable, 0);
  FAIL_IF((about.st_mode & S_IFMT) == S_IFDIR, Status::file_is_directory, 0);
  FAIL_IF((about.st_mode & S_IFMT) != S_IFREG, Status::file_not_regular, 0);
  FAIL_IF(about.st_size > max_file_bytes, Status::file_too_large, max_file_bytes);

  const auto size = static_cast<std::size_t>(about.st_size);
  if (size == 0) return {};
  data_ = cpu::allocate(size);
  FAIL_IF(!data_, Status::out_of_memory, 0);
  auto* const bytes = static_cast<unsigned char*>(data_.get());
  std::size_t got = 0;
  while (got < size) {
    const auto count = read_some(file.value, bytes + got, size - got);
    if (count < 0 && errno == EINTR) continue;
    FAIL_IF(count < 0, Status::file_unreadable, 0);
    FAIL_IF(count == 0, Status::truncated, got);  // it shrank since fstat
    got += static_cast<std::size_t>(count);
  }
  size_ = size;
  return {};
}

}  // namespace ppgfast::format
