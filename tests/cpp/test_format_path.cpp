// Reading a file by its path, on every system.
#include <chrono>
#include <cstdint>

#include "check.hpp"
#include "format/file.hpp"
#include "model_files.hpp"

namespace {

namespace fs = std::filesystem;
using ppgfast::Status;
using ppgfast::format::FileBytes;

const std::string model = PPGFAST_TEST_DATA "/golden/v1.0_types.ppgf";

// A folder of its own, removed at its end.
struct Folder {
  fs::path path = fs::temp_directory_path() /
                  ("ppgfast_" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
  Folder() { fs::create_directory(path); }
  ~Folder() { fs::remove_all(path); }
};

Status status_of(const std::string& path) { return FileBytes().read(path.c_str()).status; }

TEST(a_file_is_read_whole_and_aligned) {
  FileBytes bytes;
  CHECK(!bytes.read(model.c_str()));
  model_files::check_holds(bytes, model);
  CHECK(!bytes.read(model.c_str()));  // again, into the same object
  model_files::check_holds(bytes, model);
  CHECK_EQ(bytes.read("/no/such/file").status, Status::file_not_found);
  CHECK_EQ(bytes.size(), 0);
  CHECK(bytes.data() == nullptr);
}

TEST(a_path_is_utf_8) {
  const Folder folder;
  const fs::path copy = folder.path / fs::u8path("c\xc5\x93ur \xe5\xbf\x83 \xf0\x9f\xab\x80.ppgf");
  fs::copy_file(model, copy);
  FileBytes bytes;
  CHECK(!bytes.read(copy.u8string().c_str()));
  model_files::check_holds(bytes, model);
}

TEST(bytes_are_not_taken_for_text) {
  const Folder folder;
  const std::string path = (folder.path / "bytes").u8string(), content(
                                                                   "a\r\nb\x1a"
                                                                   "c\0\n",
                                                                   8);
  std::ofstream(path, std::ios::binary) << content;
  FileBytes bytes;
  CHECK(!bytes.read(path.c_str()));
  CHECK(std::string(static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()) ==
        content);
}

TEST(what_is_no_file_is_named) {
  const Folder folder;
  const std::string path = folder.path.u8string();
  CHECK_EQ(status_of(path + "/absent"), Status::file_not_found);
  CHECK_EQ(status_of(model + "/below_a_file"), Status::file_not_found);
  CHECK_EQ(status_of(path + "/" + std::string(5000, 'x')), Status::file_not_found);
  CHECK_EQ(status_of(path + "/" + std::string(100000, 'x')), Status::file_not_found);
  CHECK_EQ(status_of(path + "/\xff\xfe"), Status::file_not_found);  // not UTF-8
  CHECK_EQ(status_of(""), Status::file_not_found);
  CHECK_EQ(status_of(path), Status::file_is_directory);
#if defined(_WIN32)
  CHECK_EQ(status_of("NUL"), Status::file_not_regular);
#else
  CHECK_EQ(status_of("/dev/null"), Status::file_not_regular);
#endif
}

TEST(a_file_is_at_most_one_gibibyte) {
  const Folder folder;
  const std::string path = (folder.path / "large").u8string();
  constexpr std::uintmax_t limit = std::uintmax_t{1} << 30;
  std::ofstream(path).put('x');
  fs::resize_file(path, limit + 1);  // sparse: takes no room on the disk
  const ppgfast::Error error = FileBytes().read(path.c_str());
  CHECK_EQ(error.status, Status::file_too_large);
  CHECK_EQ(error.offset, limit);
}

TEST(an_empty_file_has_no_bytes) {
  const Folder folder;
  const std::string path = (folder.path / "empty").u8string();
  std::ofstream{path};
  FileBytes bytes;
  CHECK(!bytes.read(path.c_str()));
  CHECK_EQ(bytes.size(), 0);
}

}  // namespace
