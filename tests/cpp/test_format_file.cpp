// Reading a file into memory by POSIX, with a disk, a kernel and an allocator that misbehave.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "check.hpp"
#include "format/file.hpp"
#include "format/reader.hpp"
#include "model_files.hpp"

namespace {

// What open(), read(), fstat() and aligned_alloc() do below; all off by default.
struct Faults {
  std::size_t bytes_per_read = SSIZE_MAX;
  int interruptions = 0;  // so many calls of open() and read() are at risk: see interrupted()
  long error_after = -1;  // bytes, then read() fails with EIO
  long end_after = -1;    // bytes, then the file is at its end
  bool no_memory = false;
  bool no_fstat = false;
};
Faults faults;
long bytes_read = 0;

// Every second call, as long as there are interruptions left.
bool interrupted() {
  if (faults.interruptions == 0) return false;
  --faults.interruptions;
  errno = EINTR;
  return faults.interruptions % 2 == 0;
}

}  // namespace

// The program's own definitions come before those of the C library.
extern "C" int open(const char* path, int flags, ...) {
  return interrupted() ? -1 : static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags));
}

extern "C" ssize_t read(int file, void* buffer, size_t size) {
  if (interrupted()) return -1;
  if (faults.error_after >= 0 && bytes_read >= faults.error_after) {
    errno = EIO;
    return -1;
  }
  if (faults.end_after >= 0 && bytes_read >= faults.end_after) return 0;
  const long count = ::syscall(SYS_read, file, buffer, std::min(size, faults.bytes_per_read));
  bytes_read += count > 0 ? count : 0;
  return count;
}

extern "C" int fstat(int file, struct stat* about) noexcept {
  if (!faults.no_fstat) return ::fstatat(file, "", about, AT_EMPTY_PATH);
  errno = EIO;
  return -1;
}

extern "C" void* aligned_alloc(size_t alignment, size_t size) noexcept {
  void* block = nullptr;
  return !faults.no_memory && ::posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
}

namespace {

namespace fs = std::filesystem;
using ppgfast::Error;
using ppgfast::Status;
using ppgfast::format::FileBytes;

const std::string model = PPGFAST_TEST_DATA "/golden/v1.0_types.ppgf";

// A folder of its own for each test, removed at its end.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "ppgfast_format_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
};

Error read_with(const Faults& wanted, const std::string& path, FileBytes* bytes) {
  faults = wanted;
  bytes_read = 0;
  const Error error = bytes->read(path.c_str());
  faults = {};
  return error;
}

Error read_with(const Faults& wanted, const std::string& path) {
  FileBytes bytes;
  const Error error = read_with(wanted, path, &bytes);
  CHECK_EQ(bytes.size(), error ? 0 : fs::file_size(path));
  return error;
}

std::size_t open_files() {
  const fs::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

TEST(short_reads_and_interruptions_do_not_matter) {
  for (const std::size_t step : {1, 7, 64, 1000}) {
    Faults wanted;
    wanted.bytes_per_read = step;
    wanted.interruptions = 7;
    FileBytes bytes;
    CHECK(!read_with(wanted, model, &bytes));
    model_files::check_holds(bytes, model);
  }
}

TEST(a_failing_disk_is_named) {
  Faults wanted;
  wanted.bytes_per_read = 100;
  wanted.error_after = 200;
  CHECK_EQ(read_with(wanted, model).status, Status::file_unreadable);
}

TEST(a_file_that_shrinks_while_read_is_truncated) {
  Faults wanted;
  wanted.bytes_per_read = 100;
  wanted.end_after = 300;
  const Error error = read_with(wanted, model);
  CHECK_EQ(error.status, Status::truncated);
  CHECK_EQ(error.offset, 300);
}

TEST(no_memory_is_a_status) {
  Faults wanted;
  wanted.no_memory = true;
  CHECK_EQ(read_with(wanted, model).status, Status::out_of_memory);
}

TEST(a_file_without_attributes_is_unreadable) {
  Faults wanted;
  wanted.no_fstat = true;
  CHECK_EQ(read_with(wanted, model).status, Status::file_unreadable);
}

TEST(what_is_not_a_regular_file_is_named) {
  const Folder folder;
  const std::string pipe = folder.path / "pipe";
  CHECK_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string socket_path = folder.path / "socket";
  if (!CHECK(socket_path.size() < sizeof(address.sun_path))) return;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const std::string loop = folder.path / "loop";
  fs::create_symlink(loop, loop);

  const std::size_t before = open_files();
  CHECK_EQ(read_with({}, folder.path / "absent").status, Status::file_not_found);
  CHECK_EQ(read_with({}, model + "/below_a_file").status, Status::file_not_found);
  CHECK_EQ(read_with({}, folder.path / std::string(5000, 'x')).status, Status::file_not_found);
  CHECK_EQ(read_with({}, "").status, Status::file_not_found);
  CHECK_EQ(read_with({}, folder.path).status, Status::file_is_directory);
  CHECK_EQ(read_with({}, pipe).status, Status::file_not_regular);
  CHECK_EQ(read_with({}, socket_path).status, Status::file_not_regular);
  CHECK_EQ(read_with({}, "/dev/zero").status, Status::file_not_regular);
  CHECK_EQ(read_with({}, loop).status, Status::file_unreadable);
  CHECK(!read_with({}, model));
  CHECK_EQ(open_files(), before);
  ::close(listener);
}

TEST(a_file_is_at_most_one_gibibyte) {
  const Folder folder;
  const std::string path = folder.path / "large";
  constexpr std::uintmax_t limit = std::uintmax_t{1} << 30;
  std::ofstream(path).put('x');
  fs::resize_file(path, limit + 1);  // sparse: takes no room on the disk
  const Error error = read_with({}, path);
  CHECK_EQ(error.status, Status::file_too_large);
  CHECK_EQ(error.offset, limit);
  fs::resize_file(path, limit);
  Faults wanted;
  wanted.end_after = 0;
  CHECK_EQ(read_with(wanted, path).status, Status::truncated);  // so its size was accepted
}

TEST(an_empty_file_has_no_bytes) {
  const Folder folder;
  const std::string path = folder.path / "empty";
  std::ofstream{path};
  FileBytes bytes;
  CHECK(!bytes.read(path.c_str()));
  ppgfast::format::File file;
  CHECK_EQ(ppgfast::format::File::parse(bytes.data(), bytes.size(), &file).status, Status::file_empty);
}

}  // namespace
