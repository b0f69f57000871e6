// What went wrong, where, and what to do about it.
#pragma once

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

  explicit operator bool() const noexcept { return status != Status::ok; }
};

// The status' own spelling ("bad_name"), what was found, and how to mend it: static strings, never null.
const char* status_name(Status status) noexcept;
const char* status_found(Status status) noexcept;
const char* status_fix(Status status) noexcept;

}  // namespace ppgfast
