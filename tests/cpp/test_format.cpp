// The reader of model files: what it accepts, and that it names every fault.
#include <cmath>
#include <limits>
#include <set>

#include "check.hpp"
#include "format/crc32.hpp"
#include "format/reader.hpp"
#include "model_files.hpp"

namespace {

using model_files::Bytes;
using model_files::Guarded;
using ppgfast::Error;
using ppgfast::Status;
using ppgfast::format::Config;
using ppgfast::format::DType;
using ppgfast::format::File;
using ppgfast::format::Tensor;

Error parse(const Bytes& bytes) {
  const Guarded guarded(bytes);
  File file;
  return File::parse(guarded.data(), bytes.size(), &file);
}

std::uint32_t bitwise_crc32(const unsigned char* bytes, std::size_t size) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

TEST(crc32_is_that_of_zlib) {
  const auto* digits = reinterpret_cast<const unsigned char*>("123456789");
  CHECK_EQ(ppgfast::format::crc32(digits, 9), 0xCBF43926u);
  Bytes bytes(200);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 167 + 13);
  for (std::size_t start = 0; start < 16; ++start) {
    for (std::size_t size = 0; start + size <= bytes.size(); ++size) {
      const unsigned char* const p = bytes.data() + start;
      if (!CHECK_EQ(ppgfast::format::crc32(p, size), bitwise_crc32(p, size))) return;
    }
  }
}

TEST(crc32_of_large_files_is_that_of_zlib) {
  Bytes bytes(70000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * i * 167 + i / 251);
  for (std::size_t start = 0; start < 16; start += 5) {
    for (std::size_t size = 65530; size < 65610; size += 3) {
      const unsigned char* const p = bytes.data() + start;
      if (!CHECK_EQ(ppgfast::format::crc32(p, size), bitwise_crc32(p, size))) return;
    }
  }
}

TEST(golden_files_open) {
  const auto files = model_files::golden();
  CHECK(files.size() >= 2);
  for (const auto& golden : files) CHECK_EQ(ppgfast::status_name(parse(golden.bytes).status), "ok");
}

TEST(every_type_is_read_as_written) {
  const Guarded bytes(model_files::read(PPGFAST_TEST_DATA "/golden/v1.0_types.ppgf"));
  const std::size_t size = std::filesystem::file_size(PPGFAST_TEST_DATA "/golden/v1.0_types.ppgf");
  File file;
  if (!CHECK(!File::parse(bytes.data(), size, &file))) return;
  CHECK_EQ(file.config_count(), 5);
  CHECK_EQ(file.tensor_count(), 6);

  Config number;
  CHECK(file.find("0", &number) && !number.is_float && number.f64 == 0);
  CHECK_EQ(number.i64, std::numeric_limits<std::int64_t>::min());
  CHECK_EQ(number.offset, 64);
  CHECK(file.find("1", &number));
  CHECK_EQ(number.i64, std::numeric_limits<std::int64_t>::max());
  CHECK(file.find("_", &number) && number.is_float && number.i64 == 0);
  CHECK(number.f64 == 0 && std::signbit(number.f64));
  CHECK(file.find("a.b", &number));
  CHECK_EQ(number.f64, std::numeric_limits<double>::denorm_min());
  CHECK(file.find("a_b", &number));
  CHECK_EQ(number.f64, std::numeric_limits<double>::max());

  struct Expected {
    const char* name;
    DType dtype;
    std::uint32_t rank;
    std::uint32_t dims[4];
    std::uint64_t bytes;
    unsigned char last;
  };
  const Expected expected[] = {
      {"f16", DType::f16, 3, {1, 1, 3, 1}, 6, 0x7B},
      {"f32", DType::f32, 1, {4, 1, 1, 1}, 16, 0x7F},
      {"i32", DType::i32, 4, {1, 1, 1, 2}, 8, 0x7F},
      {"i8", DType::i8, 2, {2, 2, 1, 1}, 4, 0x7F},
      {"longest.zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", DType::f32, 2, {4, 5, 1, 1}, 80, 0x3F},
      {"u8", DType::u8, 1, {3, 1, 1, 1}, 3, 2},
  };
  for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
    const Tensor tensor = file.tensor(i);
    CHECK_EQ(tensor.name, expected[i].name);
    CHECK_EQ(tensor.dtype, expected[i].dtype);
    CHECK_EQ(tensor.rank, expected[i].rank);
    for (int k = 0; k < 4; ++k) CHECK_EQ(tensor.dims[k], expected[i].dims[k]);
    CHECK_EQ(tensor.bytes, expected[i].bytes);
    CHECK_EQ(tensor.offset % 64, 0);
    CHECK_EQ(tensor.data, bytes.data() + tensor.offset);
    CHECK_EQ(tensor.data[tensor.bytes - 1], expected[i].last);
  }
}

TEST(names_are_found_exactly) {
  for (const auto& golden : model_files::golden()) {
    const Guarded bytes(golden.bytes);
    File file;
    CHECK(!File::parse(bytes.data(), golden.bytes.size(), &file));
    Config config;
    Tensor tensor;
    for (std::uint32_t i = 0; i < file.config_count(); ++i) {
      CHECK(file.find(file.config(i).name, &config) && config.name == file.config(i).name);
    }
    for (std::uint32_t i = 0; i < file.tensor_count(); ++i) {
      CHECK(file.find(file.tensor(i).name, &tensor) && tensor.data == file.tensor(i).data);
    }
    for (const char* absent : {"", "!", "out", "out.weightx", "~", "f3", "f322"}) {
      CHECK(!file.find(absent, &config));
      CHECK(!file.find(absent, &tensor));
    }
  }
}

TEST(malformed_files_have_their_own_status) {
  const auto files = model_files::malformed();
  std::set<std::string> seen;
  for (const auto& bad : files) {
    const Error error = parse(bad.bytes);
    const std::string got = ppgfast::status_name(error.status);
    CHECK_EQ(bad.name + " " + got, bad.name + " " + bad.status);
    CHECK_EQ(bad.name + " " + std::to_string(error.offset), bad.name + " " + std::to_string(bad.offset));
    CHECK_EQ(bad.name + " " + error.name, bad.name + " " + bad.where);
    seen.insert(bad.status);
  }
  for (int i = static_cast<int>(Status::file_empty); i <= static_cast<int>(Status::bad_tensor_offset); ++i) {
    const auto status = static_cast<Status>(i);
    if (status == Status::misaligned) continue;  // a matter of the address, not of the file
    if (seen.count(ppgfast::status_name(status)) == 0) CHECK_EQ("no file for", ppgfast::status_name(status));
  }
}

TEST(impostors_are_told_from_what_looks_like_them) {
  const auto status_of = [](const std::string& text) {
    return parse(Bytes(text.begin(), text.end())).status;
  };
  CHECK_EQ(status_of("\x80"), Status::not_ppgf);
  CHECK_EQ(status_of("\x80\x01"), Status::not_ppgf);
  CHECK_EQ(status_of("\x80\x02"), Status::not_ppgf_pickle);
  CHECK_EQ(status_of("\x80\x05"), Status::not_ppgf_pickle);
  CHECK_EQ(status_of("\x80\x06"), Status::not_ppgf);
  CHECK_EQ(status_of("PK"), Status::not_ppgf);
  CHECK_EQ(status_of("<HtMl"), Status::not_ppgf_html);
  CHECK_EQ(status_of("<!doctype htm"), Status::not_ppgf);
  CHECK_EQ(status_of("<!doctype svg>"), Status::not_ppgf);
  CHECK_EQ(status_of(" \n\t\r"), Status::not_ppgf);
  CHECK_EQ(status_of(std::string("\x02\0\0\0\0\0\0\0{}", 10)), Status::not_ppgf_safetensors);
  CHECK_EQ(status_of(std::string("\x01\0\0\0\0\0\0\0{}", 10)), Status::not_ppgf);
  CHECK_EQ(status_of(std::string("\x02\0\0\0\x01\0\0\0{}", 10)), Status::not_ppgf);
  CHECK_EQ(status_of("\x08\x08"), Status::not_ppgf);
  CHECK_EQ(status_of("\x08\x08\x3A"), Status::not_ppgf_onnx);
  CHECK_EQ(status_of("\x08\x08\x13"), Status::not_ppgf);
  CHECK_EQ(status_of("\x08\x40\x12"), Status::not_ppgf);
  CHECK_EQ(status_of(std::string("\x08\0\x12", 3)), Status::not_ppgf);
  CHECK_EQ(status_of("\x89PPGF\r"), Status::truncated);
  CHECK_EQ(status_of("\x89PPGF\r\n\x1B"), Status::not_ppgf);
}

TEST(every_status_says_what_and_how) {
  for (int i = 1; i <= static_cast<int>(Status::unsupported_isa); ++i) {
    CHECK(std::strlen(ppgfast::status_found(static_cast<Status>(i))) > 0);
    CHECK(std::strlen(ppgfast::status_fix(static_cast<Status>(i))) > 0);
  }
}

TEST(every_truncation_is_rejected) {
  for (const auto& golden : model_files::golden()) {
    for (std::size_t size = 0; size < golden.bytes.size(); ++size) {
      const Error error = parse(Bytes(golden.bytes.begin(), golden.bytes.begin() + static_cast<long>(size)));
      CHECK_EQ(error.status, size == 0 ? Status::file_empty : Status::truncated);
      CHECK_EQ(error.offset, size);
    }
  }
}

TEST(every_flipped_bit_is_rejected) {
  for (const auto& golden : model_files::golden()) {
    Bytes bytes = golden.bytes;
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
      const Status status = parse(bytes).status;
      bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
      if (bit < 8 * 8) {
        CHECK(status != Status::ok);
      } else {
        CHECK_EQ(status, bit < 8 * 64 ? Status::bad_header_crc : Status::bad_body_crc);
      }
    }
  }
}

TEST(bytes_must_be_aligned) {
  const Bytes bytes = model_files::read(PPGFAST_TEST_DATA "/golden/v1.0_types.ppgf");
  Bytes room(bytes.size() + 128);
  auto* const start = room.data() + (64 - reinterpret_cast<std::uintptr_t>(room.data()) % 64) % 64;
  for (std::size_t shift = 0; shift < 64; ++shift) {
    std::memcpy(start + shift, bytes.data(), bytes.size());
    File file;
    CHECK_EQ(File::parse(start + shift, bytes.size(), &file).status,
             shift == 0 ? Status::ok : Status::misaligned);
  }
}

TEST(no_bytes_are_an_empty_file) {
  File file;
  CHECK_EQ(File::parse(nullptr, 0, &file).status, Status::file_empty);
}

}  // namespace
