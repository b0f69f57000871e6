// Is every check of the reader needed, and does the corpus notice when one is missing?
// Compiles the reader anew, with numbered checks that can be switched off one at a time.
#include <sys/wait.h>
#include <unistd.h>

namespace {
bool check_is_off(int index, const char* condition);
}
#define PPGFAST_CHECK_IS_OFF(condition) check_is_off(__COUNTER__, condition)
constexpr int first_check = __COUNTER__ + 1;
#include "format/reader.cpp"
constexpr int check_count = __COUNTER__ - first_check;

#include "check.hpp"
#include "model_files.hpp"

namespace {

using ppgfast::Status;
using ppgfast::format::File;

int off = -1;                         // the check that is switched off
const char* conditions[check_count];  // of the checks that have fired

bool check_is_off(int index, const char* condition) {
  conditions[index - first_check] = condition;
  return index - first_check == off;
}

// Room behind the bytes, so that a reader without a check reads zeros there, and a shift that misaligns them.
Status parse(const model_files::Bytes& bytes, std::size_t shift) {
  constexpr std::size_t room = 1 << 20;
  static unsigned char* const block = static_cast<unsigned char*>(std::aligned_alloc(64, room));
  std::memset(block, 0, room);
  if (!bytes.empty()) std::memcpy(block + shift, bytes.data(), bytes.size());
  File file;
  return File::parse(block + shift, bytes.size(), &file).status;
}

// Whether some file no longer gets its status.
bool corpus_notices() {
  for (const auto& bad : model_files::malformed()) {
    if (ppgfast::status_name(parse(bad.bytes, 0)) != bad.status) return true;
  }
  for (const auto& golden : model_files::golden()) {
    if (parse(golden.bytes, 0) != Status::ok || parse(golden.bytes, 8) != Status::misaligned) return true;
  }
  return false;
}

// In a process of its own: a reader without a check may well crash, which is noticed too.
bool corpus_notices_without(int index) {
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    (void)!std::freopen("/dev/null", "w", stderr);
    off = index;
    ::_exit(corpus_notices() ? 1 : 0);
  }
  int result = 0;
  ::waitpid(child, &result, 0);
  return result != 0;
}

TEST(the_corpus_notices_every_missing_check) {
  CHECK(check_count > 40);
  CHECK(!corpus_notices());
  for (int i = 0; i < check_count; ++i) {
    if (conditions[i] == nullptr) {
      check::fail("reader.cpp", 0, "no file reaches FAIL_IF number " + std::to_string(i));
    } else if (!corpus_notices_without(i)) {
      check::fail("reader.cpp", 0, std::string("no file needs the check ") + conditions[i]);
    }
  }
}

}  // namespace
