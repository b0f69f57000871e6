// The model files under tests/data, and bytes placed where a reader that strays is caught.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace model_files {

using Bytes = std::vector<unsigned char>;

struct Golden {
  std::string name;
  Bytes bytes;
};

struct Malformed {
  std::string name;
  Bytes bytes;
  std::string status;  // the file's name up to the first dot
  std::uint64_t offset;
  std::string where;  // the name in the error
};

inline Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

inline std::vector<Golden> golden() {
  std::vector<Golden> files;
  for (const auto& entry : std::filesystem::directory_iterator(PPGFAST_TEST_DATA "/golden")) {
    if (entry.path().extension() != ".ppgf") continue;
    files.push_back({entry.path().filename().string(), read(entry.path())});
  }
  std::sort(files.begin(), files.end(), [](const Golden& a, const Golden& b) { return a.name < b.name; });
  return files;
}

inline std::vector<Malformed> malformed() {
  const std::string folder = PPGFAST_TEST_DATA "/malformed/";
  std::ifstream table(folder + "expected.tsv");
  if (!table) throw std::runtime_error("cannot read " + folder + "expected.tsv");
  std::vector<Malformed> files;
  std::string name;
  std::string offset;
  std::string where;
  while (std::getline(table, name, '\t') && std::getline(table, offset, '\t') && std::getline(table, where)) {
    files.push_back({name, read(folder + name), name.substr(0, name.find('.')), std::stoull(offset), where});
  }
  return files;
}

// A copy of bytes on read-only pages, followed by a page that must not be touched. It starts at a multiple
// of 64, so up to 63 bytes of 0xFF can lie between its end and that page.
class Guarded {
 public:
  explicit Guarded(const Bytes& bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t aligned = (bytes.size() + 63) / 64 * 64;
    const std::size_t used = (aligned + page - 1) / page * page;
    length_ = used + page;
    map_ = ::mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map_ == MAP_FAILED) throw std::runtime_error("mmap failed");
    unsigned char* const start = static_cast<unsigned char*>(map_);
    std::memset(start, 0xFF, used);
    data_ = start + used - aligned;
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
    ::mprotect(start, used, PROT_READ);
    ::mprotect(start + used, page, PROT_NONE);
  }
  ~Guarded() { ::munmap(map_, length_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  const unsigned char* data() const { return data_; }

 private:
  void* map_;
  std::size_t length_;
  unsigned char* data_;
};

}  // namespace model_files
