#include "format/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "format/fail_if.hpp"

namespace ppgfast::format {
namespace {

constexpr std::size_t max_file_bytes = std::size_t{1} << 30;

// Closes what open() opened.
struct Descriptor {
  int value;
  explicit Descriptor(int v) noexcept : value(v) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

int open_for_reading(const char* path) noexcept {
  int descriptor;
  do {
    // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
    descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

Status status_of_open(int error) noexcept {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return Status::file_not_found;
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
  struct stat about;
  FAIL_IF(::fstat(file.value, &about) != 0, Status::file_unreadable, 0);
  FAIL_IF(S_ISDIR(about.st_mode), Status::file_is_directory, 0);
  FAIL_IF(!S_ISREG(about.st_mode), Status::file_not_regular, 0);
  FAIL_IF(about.st_size > static_cast<off_t>(max_file_bytes), Status::file_too_large, max_file_bytes);

  const auto size = static_cast<std::size_t>(about.st_size);
  if (size == 0) return {};
  data_ = cpu::allocate(size);
  FAIL_IF(!data_, Status::out_of_memory, 0);
  auto* const bytes = static_cast<unsigned char*>(data_.get());
  std::size_t got = 0;
  while (got < size) {
    const ssize_t count = ::read(file.value, bytes + got, size - got);
    if (count < 0 && errno == EINTR) continue;
    FAIL_IF(count < 0, Status::file_unreadable, 0);
    FAIL_IF(count == 0, Status::truncated, got);  // it shrank since fstat
    got += static_cast<std::size_t>(count);
  }
  size_ = size;
  return {};
}

}  // namespace ppgfast::format
