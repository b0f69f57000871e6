#include "format/reader.hpp"

#include <charconv>
#include <cstring>

#include "format/crc32.hpp"
#include "format/fail_if.hpp"
#include "format/little_endian.hpp"

namespace ppgfast::format {
namespace {

constexpr unsigned char magic[] = {0x89, 'P', 'P', 'G', 'F', '\r', '\n', 0x1A};
constexpr std::uint16_t supported_major = 1;
constexpr std::uint16_t supported_minor = 0;
constexpr std::uint32_t max_configs = 256;
constexpr std::uint32_t max_tensors = 4096;
constexpr std::size_t header_bytes = 64;
constexpr std::size_t config_bytes = 64;
constexpr std::size_t tensor_bytes = 96;
constexpr std::size_t name_bytes = 48;
constexpr std::uint64_t alignment = 64;
constexpr std::uint64_t item_bytes[] = {1, 1, 2, 4, 4};  // by DType

struct Bytes {
  const unsigned char* data;
  std::size_t size;

  template <std::size_t n>
  bool start_with(const char (&text)[n]) const noexcept {
    return size >= n - 1 && std::memcmp(data, text, n - 1) == 0;
  }
};

const char* chars(const unsigned char* p) noexcept { return reinterpret_cast<const char*>(p); }

// The first byte in [begin, end) that is not zero, or `end`.
std::size_t first_nonzero(const unsigned char* bytes, std::size_t begin, std::size_t end) noexcept {
  while (begin < end && bytes[begin] == 0) ++begin;
  return begin;
}

bool is_safetensors(Bytes head) noexcept {  // the length of a JSON header, then the header
  if (head.size < 9 || head.data[8] != '{') return false;
  const std::uint64_t length = u64_at(head.data);
  return length >= 2 && length <= 100'000'000;
}

bool is_html(Bytes head) noexcept {
  if (head.start_with("\xEF\xBB\xBF")) head = {head.data + 3, head.size - 3};
  while (head.size > 0 && std::memchr(" \t\r\n", head.data[0], 4) != nullptr)
    head = {head.data + 1, head.size - 1};
  char tag[14];
  const std::size_t length = head.size < sizeof(tag) ? head.size : sizeof(tag);
  for (std::size_t i = 0; i < length; ++i) {
    const unsigned char c = head.data[i];
    tag[i] = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return (length == 14 && std::memcmp(tag, "<!doctype html", 14) == 0) ||
         (length >= 5 && std::memcmp(tag, "<html", 5) == 0);
}

bool is_onnx(Bytes head) noexcept {  // protobuf: field 1 = IR version, then the producer or the graph
  return head.size >= 3 && head.data[0] == 0x08 && head.data[1] > 0 && head.data[1] < 64 &&
         (head.data[2] == 0x12 || head.data[2] == 0x3A);
}

// What people hand in by mistake, told by the first 1024 bytes; no two of these can match the same file.
Error impostor(Bytes head) noexcept {
  if (head.size > 1024) head.size = 1024;
  FAIL_IF(head.start_with("\x89PPGF\n"), Status::damaged_line_endings, 0);
  FAIL_IF(head.start_with("\x89PPGF\r\r\n"), Status::damaged_line_endings, 0);
  FAIL_IF(head.start_with("PK\x03\x04"), Status::not_ppgf_zip, 0);
  FAIL_IF(head.size >= 2 && head.data[0] == 0x80 && head.data[1] >= 2 && head.data[1] <= 5,
          Status::not_ppgf_pickle, 0);
  FAIL_IF(head.start_with("version https://git-lfs"), Status::not_ppgf_git_lfs, 0);
  FAIL_IF(is_html(head), Status::not_ppgf_html, 0);
  FAIL_IF(head.start_with("GGUF"), Status::not_ppgf_gguf, 0);
  FAIL_IF(is_safetensors(head), Status::not_ppgf_safetensors, 0);
  FAIL_IF(is_onnx(head), Status::not_ppgf_onnx, 0);
  return failure(Status::not_ppgf, 0);
}

Error check_version(const unsigned char* header) noexcept {
  const std::uint16_t major = u16_at(header + 8);
  const std::uint16_t minor = u16_at(header + 10);
  char needed[sizeof("65535.65535")] = {};
  char* const end = needed + sizeof(needed) - 1;
  char* const dot = std::to_chars(needed, end, major).ptr;
  *dot = '.';
  std::to_chars(dot + 1, end, minor);
  FAIL_IF(major != supported_major, Status::unsupported_version, 8, needed);
  FAIL_IF(minor > supported_minor, Status::unsupported_version, 10, needed);
  return {};
}

Error check_header(Bytes file) noexcept {
  FAIL_IF(file.size == 0, Status::file_empty, 0);
  const std::size_t compared = file.size < sizeof(magic) ? file.size : sizeof(magic);
  if (std::memcmp(file.data, magic, compared) != 0) return impostor(file);
  FAIL_IF(reinterpret_cast<std::uintptr_t>(file.data) % alignment != 0, Status::misaligned, 0);
  FAIL_IF(file.size < header_bytes, Status::truncated, file.size, "header");
  FAIL_IF(crc32(file.data, 60) != u32_at(file.data + 60), Status::bad_header_crc, 60);
  if (const Error error = check_version(file.data)) return error;
  FAIL_IF(u32_at(file.data + 12) != 0, Status::unsupported_feature, 12);
  const std::uint64_t stated_size = u64_at(file.data + 16);
  FAIL_IF(stated_size > file.size, Status::truncated, file.size);
  FAIL_IF(stated_size < file.size, Status::trailing_bytes, stated_size);
  const std::size_t reserved = first_nonzero(file.data, 32, 56);
  FAIL_IF(reserved < 56, Status::bad_reserved, reserved, "header");
  FAIL_IF(u32_at(file.data + 24) > max_configs, Status::too_many_records, 24, "configs");
  FAIL_IF(u32_at(file.data + 28) > max_tensors, Status::too_many_records, 28, "tensors");
  FAIL_IF(crc32(file.data + header_bytes, file.size - header_bytes) != u32_at(file.data + 56),
          Status::bad_body_crc, 56);
  return {};
}

bool is_name_character(unsigned char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

// `previous`: the record before of the same kind, or null.
Error check_name(const unsigned char* record, const unsigned char* previous, std::size_t at) noexcept {
  std::size_t length = 0;
  while (length < name_bytes && is_name_character(record[length])) ++length;
  FAIL_IF(length == 0, Status::bad_name, at);
  FAIL_IF(length == name_bytes, Status::bad_name, at + name_bytes - 1, chars(record), length);
  const std::size_t stray = first_nonzero(record, length, name_bytes);
  FAIL_IF(stray < name_bytes, Status::bad_name, at + stray, chars(record), length);
  FAIL_IF(previous != nullptr && std::memcmp(previous, record, name_bytes) >= 0, Status::names_not_ascending,
          at, chars(record));
  return {};
}

Error check_config(const unsigned char* record, std::size_t at) noexcept {
  const unsigned char type = record[48];
  FAIL_IF(type > 1, Status::bad_config_type, at + 48, chars(record));
  const std::size_t reserved = first_nonzero(record, 49, 56);
  FAIL_IF(reserved < 56, Status::bad_reserved, at + reserved, chars(record));
  constexpr std::uint64_t exponent = 0x7FF0'0000'0000'0000;
  FAIL_IF(type == 1 && (u64_at(record + 56) & exponent) == exponent, Status::config_not_finite, at + 56,
          chars(record));
  return {};
}

// `*end`: of all that lies before the tensor's payload, on return of the payload.
Error check_tensor(Bytes file, std::size_t at, std::size_t* end) noexcept {
  const unsigned char* const record = file.data + at;
  const char* const name = chars(record);
  const unsigned char dtype = record[48];
  const unsigned char rank = record[49];
  FAIL_IF(dtype >= sizeof(item_bytes) / sizeof(item_bytes[0]), Status::bad_dtype, at + 48, name);
  FAIL_IF(rank < 1 || rank > 4, Status::bad_rank, at + 49, name);
  std::size_t reserved = first_nonzero(record, 50, 56);
  FAIL_IF(reserved < 56, Status::bad_reserved, at + reserved, name);

  const std::uint64_t max_items = UINT64_MAX / item_bytes[dtype];
  std::uint64_t items = 1;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t dim_at = 56 + 4 * i;
    const std::uint32_t dim = u32_at(record + dim_at);
    FAIL_IF(dim == 0, Status::bad_dims, at + dim_at, name);
    FAIL_IF(i >= rank && dim != 1, Status::bad_dims, at + dim_at, name);
    FAIL_IF(items > max_items / dim, Status::bad_dims, at + dim_at, name);
    items *= dim;
  }
  const std::uint64_t offset = u64_at(record + 72);
  const std::uint64_t bytes = u64_at(record + 80);
  const std::uint64_t next =
      (*end + alignment - 1) / alignment * alignment;  // *end <= file.size: no overflow
  FAIL_IF(offset != next, Status::bad_tensor_offset, at + 72, name);
  FAIL_IF(bytes != items * item_bytes[dtype], Status::bad_tensor_bytes, at + 80, name);
  reserved = first_nonzero(record, 88, 96);
  FAIL_IF(reserved < 96, Status::bad_reserved, at + reserved, name);

  FAIL_IF(offset > file.size, Status::truncated, file.size, name);
  FAIL_IF(bytes > file.size - offset, Status::truncated, file.size, name);
  const std::size_t padding = first_nonzero(file.data, *end, static_cast<std::size_t>(offset));
  FAIL_IF(padding < offset, Status::bad_reserved, padding, name);
  *end = static_cast<std::size_t>(offset + bytes);
  return {};
}

// The record whose name is `name` among `count` sorted ones of `record_bytes`, or null.
const unsigned char* find_record(const unsigned char* records, std::size_t count, std::size_t record_bytes,
                                 const char* name) noexcept {
  while (count > 0) {
    const unsigned char* const middle = records + count / 2 * record_bytes;
    const int order = std::strcmp(chars(middle), name);
    if (order == 0) return middle;
    if (order < 0) {
      records = middle + record_bytes;
      count -= count / 2 + 1;
    } else {
      count /= 2;
    }
  }
  return nullptr;
}

}  // namespace

Error File::parse(const void* bytes, std::size_t size, File* out) noexcept {
  const Bytes file{static_cast<const unsigned char*>(bytes), size};
  if (const Error error = check_header(file)) return error;
  const std::uint32_t config_count = u32_at(file.data + 24);
  const std::uint32_t tensor_count = u32_at(file.data + 28);
  const std::size_t tensors_at = header_bytes + config_count * config_bytes;
  const std::size_t records_end = tensors_at + tensor_count * tensor_bytes;
  FAIL_IF(records_end > size, Status::truncated, size, "records");

  const unsigned char* previous = nullptr;
  for (std::size_t at = header_bytes; at < tensors_at; at += config_bytes) {
    if (const Error error = check_name(file.data + at, previous, at)) return error;
    if (const Error error = check_config(file.data + at, at)) return error;
    previous = file.data + at;
  }
  previous = nullptr;
  std::size_t end = records_end;
  for (std::size_t at = tensors_at; at < records_end; at += tensor_bytes) {
    if (const Error error = check_name(file.data + at, previous, at)) return error;
    if (const Error error = check_tensor(file, at, &end)) return error;
    previous = file.data + at;
  }
  FAIL_IF(end != size, Status::trailing_bytes, end);

  out->bytes_ = file.data;
  out->config_count_ = config_count;
  out->tensor_count_ = tensor_count;
  return {};
}

Config File::config(std::uint32_t i) const noexcept {
  const std::size_t at = header_bytes + i * config_bytes;
  const unsigned char* const record = bytes_ + at;
  const std::uint64_t bits = u64_at(record + 56);
  Config config{chars(record), record[48] == 1, 0, 0.0, at};
  static_assert(sizeof(bits) == sizeof(config.f64) && sizeof(bits) == sizeof(config.i64), "64 bits each");
  if (config.is_float) {
    std::memcpy(&config.f64, &bits, sizeof(bits));
  } else {
    std::memcpy(&config.i64, &bits, sizeof(bits));
  }
  return config;
}

Tensor File::tensor(std::uint32_t i) const noexcept {
  const unsigned char* const record = bytes_ + header_bytes + config_count_ * config_bytes + i * tensor_bytes;
  const std::uint64_t offset = u64_at(record + 72);
  return {
      chars(record),   static_cast<DType>(record[48]),
      record[49],      {u32_at(record + 56), u32_at(record + 60), u32_at(record + 64), u32_at(record + 68)},
      bytes_ + offset, u64_at(record + 80),
      offset};
}

bool File::find(const char* name, Config* out) const noexcept {
  const unsigned char* const records = bytes_ + header_bytes;
  const unsigned char* const record = find_record(records, config_count_, config_bytes, name);
  if (record == nullptr) return false;
  *out = config(static_cast<std::uint32_t>((record - records) / config_bytes));
  return true;
}

bool File::find(const char* name, Tensor* out) const noexcept {
  const unsigned char* const records = bytes_ + header_bytes + config_count_ * config_bytes;
  const unsigned char* const record = find_record(records, tensor_count_, tensor_bytes, name);
  if (record == nullptr) return false;
  *out = tensor(static_cast<std::uint32_t>((record - records) / tensor_bytes));
  return true;
}

}  // namespace ppgfast::format
