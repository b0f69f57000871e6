// The model files under tests/data, and bytes placed where a reader that strays is caught.
#pragma once

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

#include "check.hpp"
#include "format/file.hpp"
#include "pages.hpp"

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

// What was read is the file, to the byte, and aligned for the kernels.
inline void check_holds(const ppgfast::format::FileBytes& bytes, const std::filesystem::path& path) {
  const Bytes expected = read(path);
  CHECK_EQ(bytes.size(), expected.size());
  CHECK(bytes.size() == expected.size() && std::memcmp(bytes.data(), expected.data(), expected.size()) == 0);
  CHECK_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64, 0);
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
  explicit Guarded(const Bytes& bytes) : pages_(bytes.size()) {
    std::fill(pages_.begin(), pages_.end(), static_cast<unsigned char>(0xFF));
    data_ = pages_.end() - (bytes.size() + 63) / 64 * 64;
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
    pages_.make_read_only();
  }

  const unsigned char* data() const { return data_; }

 private:
  Pages pages_;
  unsigned char* data_;
};

}  // namespace model_files
