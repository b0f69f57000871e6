// What went wrong, where, and what to do about it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppgfast {

enum class Status : std::int32_t {
#define X(name, found, fix) name,
#include "ppgfast/status.def"
#undef X
};

constexpr std::int32_t status_count = 0
#define X(name, found, fix) +1
#include "ppgfast/status.def"
#undef X
    ;

// The first check that failed. `offset` is a byte offset into the file; `name` is the config value, the
// tensor or the field, NUL-terminated and empty when none applies.
struct Error {
  Status status = Status::ok;
  std::uint64_t offset = 0;
  char name[49] = {};
  double found = 0.0, limit = 0.0;  // of an argument that was refused: its value, and the bound it misses

  explicit operator bool() const noexcept { return status != Status::ok; }
};

// `name` ends at its first NUL or after `length` characters.
inline Error failure(Status status, std::uint64_t offset = 0, const char* name = "",
                     std::size_t length = sizeof(Error::name) - 1) noexcept {
  Error error;
  error.status = status;
  error.offset = offset;
  for (std::size_t i = 0; i < length && i < sizeof(error.name) - 1 && name[i] != '\0'; ++i) {
    error.name[i] = name[i];
  }
  return error;
}

// An argument, `name`, that was `found` beyond `limit`.
inline Error refusal(Status status, double found, double limit, const char* name) noexcept {
  Error error = failure(status, 0, name);
  error.found = found;
  error.limit = limit;
  return error;
}

// The status' own spelling ("bad_name"), what was found, and how to mend it: static strings, never null.
const char* status_name(Status status) noexcept;
const char* status_found(Status status) noexcept;
const char* status_fix(Status status) noexcept;

}  // namespace ppgfast
