// Random damage to every model file of the corpus, the same on every machine. Checksums are put right
// afterwards, since they would hide the parser behind them. PPGFAST_FUZZ_ROUNDS sets the number of files.
#include <algorithm>
#include <cmath>
#include <map>

#include "check.hpp"
#include "format/crc32.hpp"
#include "format/little_endian.hpp"
#include "format/reader.hpp"
#include "model_files.hpp"
#include "pages.hpp"

namespace {

using model_files::Bytes;
using ppgfast::Error;
using ppgfast::Status;
using namespace ppgfast::format;

constexpr std::size_t header = 64;
constexpr std::size_t config_record = 64;
constexpr std::size_t tensor_record = 96;

struct Random {
  std::uint64_t state;
  std::uint64_t next() {  // SplitMix64
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : next() % n; }
};

void put(Bytes& file, std::size_t at, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes && at + i < file.size(); ++i) {
    file[at + i] = static_cast<unsigned char>(value >> 8 * i);
  }
}

std::size_t tensors_at(const Bytes& file) { return header + std::size_t{u32_at(&file[24])} * config_record; }

// A place in the file: mostly the start of a field of the header or of a record.
std::size_t place(const Bytes& file, Random& random) {
  static constexpr std::size_t header_fields[] = {0, 8, 10, 12, 16, 24, 28, 32, 55};
  static constexpr std::size_t config_fields[] = {0, 1, 47, 48, 49, 55, 56, 62};
  static constexpr std::size_t tensor_fields[] = {0, 1, 47, 48, 49, 50, 56, 60, 64, 68, 72, 80, 88, 95};
  switch (random.below(5)) {
    case 0:
      return header_fields[random.below(std::size(header_fields))];
    case 1:
      return header + config_record * random.below(u32_at(&file[24]) % 8) + config_fields[random.below(8)];
    case 2:
    case 3:
      return tensors_at(file) % file.size() + tensor_record * random.below(u32_at(&file[28]) % 8) +
             tensor_fields[random.below(std::size(tensor_fields))];
    default:
      return random.below(file.size());
  }
}

std::uint64_t extreme(const Bytes& file, Random& random) {
  const std::uint64_t size = file.size();
  const std::uint64_t values[] = {0,
                                  1,
                                  2,
                                  3,
                                  4,
                                  5,
                                  63,
                                  64,
                                  65,
                                  255,
                                  256,
                                  257,
                                  4096,
                                  4097,
                                  0x7FFF,
                                  0x8000,
                                  0xFFFF,
                                  0x10000,
                                  0x7FFFFFFF,
                                  0x80000000,
                                  0xFFFFFFFF,
                                  1ull << 32,
                                  1ull << 62,
                                  1ull << 63,
                                  ~0ull,
                                  ~0ull - 63,
                                  size,
                                  size - 1,
                                  size + 1,
                                  (size + 63) / 64 * 64,
                                  0x7FF0ull << 48};
  return values[random.below(std::size(values))];
}

void damage(Bytes& file, Random& random) {
  static constexpr std::size_t widths[] = {1, 2, 4, 8};
  static constexpr std::size_t lengths[] = {1, 64, 96, 128};
  const std::size_t at = std::min(place(file, random), file.size() - 1);
  const auto here = file.begin() + static_cast<std::ptrdiff_t>(at);
  const std::size_t length = std::min(lengths[random.below(4)], file.size() - at);
  switch (random.below(8)) {
    case 0:
    case 1:
      return put(file, at, extreme(file, random), widths[random.below(4)]);
    case 2:
      return put(file, at, random.next(), widths[random.below(4)]);
    case 3:
      file[at] ^= static_cast<unsigned char>(1 << random.below(8));
      return;
    case 4: {  // a record over another
      const std::size_t to = std::min(place(file, random), file.size() - 1);
      std::memmove(&file[to], &file[at], std::min(length, file.size() - to));
      return;
    }
    case 5:
      if (file.size() > header + length) file.erase(here, here + static_cast<std::ptrdiff_t>(length));
      return;
    case 6:
      file.insert(here, length, static_cast<unsigned char>(random.below(2)));
      return;
    default:  // the count of records, one up or down
      return put(file, 24 + 4 * random.below(2), u32_at(&file[24]) + random.below(3) - 1, 4);
  }
}

// Sets each tensor's size and offset to what its shape implies, in wrapping arithmetic.
void lay_out(Bytes& file) {
  static constexpr std::uint64_t item_bytes[] = {1, 1, 2, 4, 4};
  const std::uint64_t count = std::min(u32_at(&file[28]), 8u);
  std::uint64_t end = tensors_at(file) + count * tensor_record;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t at = tensors_at(file) + i * tensor_record;
    if (at + tensor_record > file.size()) return;
    std::uint64_t bytes = item_bytes[file[at + 48] % 5];
    for (std::size_t k = 0; k < 4; ++k) bytes *= u32_at(&file[at + 56 + 4 * k]);
    end = (end + 63) / 64 * 64;
    put(file, at + 72, end, 8);
    put(file, at + 80, bytes, 8);
    end += bytes;
  }
  if (end > header && end < 4096) file.resize(end);
}

void seal(Bytes& file, bool size_too) {
  if (size_too) put(file, 16, file.size(), 8);
  put(file, 56, crc32(&file[header], file.size() - header), 4);
  put(file, 60, crc32(file.data(), 60), 4);
}

// Writes a file anew from what the reader says is in it: every byte must come back.
Bytes rewritten(const File& file) {
  static constexpr unsigned char start[] = {0x89, 'P', 'P', 'G', 'F', '\r', '\n', 0x1A, 1, 0};
  Bytes out(header + file.config_count() * config_record + file.tensor_count() * tensor_record);
  std::copy(std::begin(start), std::end(start), out.begin());
  put(out, 24, file.config_count(), 4);
  put(out, 28, file.tensor_count(), 4);
  for (std::uint32_t i = 0; i < file.config_count(); ++i) {
    const Config config = file.config(i);
    std::uint64_t bits;
    std::memcpy(&bits, config.is_float ? static_cast<const void*>(&config.f64) : &config.i64, 8);
    std::memcpy(&out[header + i * config_record], config.name, std::strlen(config.name));
    out[header + i * config_record + 48] = config.is_float;
    put(out, header + i * config_record + 56, bits, 8);
  }
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const Tensor tensor = file.tensor(i);
    const std::size_t at = tensors_at(out) + i * tensor_record;
    out.resize((out.size() + 63) / 64 * 64);
    std::memcpy(&out[at], tensor.name, std::strlen(tensor.name));
    out[at + 48] = static_cast<unsigned char>(tensor.dtype);
    out[at + 49] = static_cast<unsigned char>(tensor.rank);
    for (std::size_t k = 0; k < 4; ++k) put(out, at + 56 + 4 * k, tensor.dims[k], 4);
    put(out, at + 72, out.size(), 8);
    put(out, at + 80, tensor.bytes, 8);
    out.insert(out.end(), tensor.data, tensor.data + tensor.bytes);
  }
  seal(out, true);
  return out;
}

// Whether the numbers that the reader hands out keep the rules of docs/format.md that bytes alone do not
// show.
bool orderly(const File& file) {
  static constexpr int item_bytes[] = {1, 1, 2, 4, 4};
  const char* previous = "";
  for (std::uint32_t i = 0; i < file.config_count(); ++i) {
    const Config config = file.config(i);
    if (std::strlen(config.name) > 47 || std::strcmp(previous, config.name) >= 0) return false;
    if (!std::isfinite(config.f64)) return false;
    previous = config.name;
  }
  previous = "";
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const Tensor tensor = file.tensor(i);
    if (std::strlen(tensor.name) > 47 || std::strcmp(previous, tensor.name) >= 0) return false;
    if (tensor.rank < 1 || tensor.rank > 4) return false;
    double bytes = item_bytes[static_cast<std::size_t>(tensor.dtype)];
    for (std::uint32_t k = 0; k < 4; ++k) {
      if (k >= tensor.rank && tensor.dims[k] != 1) return false;
      bytes *= tensor.dims[k];
    }
    if (bytes != static_cast<double>(tensor.bytes)) return false;
    previous = tensor.name;
  }
  return true;
}

TEST(damaged_files_are_rejected_or_wholly_understood) {
  std::vector<Bytes> seeds;
  for (const auto& golden : model_files::golden()) seeds.push_back(golden.bytes);
  for (const auto& bad : model_files::malformed()) {
    if (bad.bytes.size() >= header + config_record) seeds.push_back(bad.bytes);
  }
  const char* const wanted = std::getenv("PPGFAST_FUZZ_ROUNDS");
  const long rounds = wanted != nullptr ? std::atol(wanted) : 1'000'000;
  Random random{2025};
  std::map<Status, long> results;
  for (long round = 0; round < rounds; ++round) {
    Bytes file = seeds[random.below(seeds.size())];
    for (std::size_t i = random.below(4); i > 0; --i) damage(file, random);
    if (random.below(2) == 0) lay_out(file);
    if (random.below(64) != 0) seal(file, random.below(16) != 0);

    const Aligned copy(file.size());  // of exactly that size: the address sanitizer sees one byte too many
    std::copy(file.begin(), file.end(), static_cast<unsigned char*>(copy.block));
    File view;
    const Error error = File::parse(copy.block, file.size(), &view);
    ++results[error.status];
    bool right = true;
    if (error) {
      right = CHECK(error.offset <= file.size()) && CHECK(std::strlen(error.name) < sizeof(error.name));
    } else {
      right = CHECK(orderly(view)) && CHECK(rewritten(view) == file);
    }
    if (!right) std::cerr << "  in round " << round << ": " << ppgfast::status_name(error.status) << "\n";
  }
  for (const auto& [status, count] : results)
    std::cout << "  " << count << " " << ppgfast::status_name(status) << "\n";
  if (rounds < 1'000'000) return;
  CHECK(results[Status::ok] > rounds / 100);
  for (int i = static_cast<int>(Status::truncated); i <= static_cast<int>(Status::bad_tensor_offset); ++i) {
    if (!CHECK(results[static_cast<Status>(i)] > 100))
      std::cerr << "  " << ppgfast::status_name(Status(i)) << "\n";
  }
}

}  // namespace
