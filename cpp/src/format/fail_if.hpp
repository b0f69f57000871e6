// One line for one check of a file: FAIL_IF(what is wrong, status, byte offset, name).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppgfast/status.hpp"

// A test numbers the checks and switches them off one by one (tests/cpp/test_format_mutation.cpp).
#ifndef PPGFAST_CHECK_IS_OFF
#define PPGFAST_CHECK_IS_OFF(condition) false
#endif

#define FAIL_IF(condition, ...)                             \
  do {                                                      \
    if ((condition) && !PPGFAST_CHECK_IS_OFF(#condition)) { \
      return ::ppgfast::format::failure(__VA_ARGS__);       \
    }                                                       \
  } while (false)

namespace ppgfast::format {

// `name` ends at its first NUL or after `length` characters.
inline Error failure(Status status, std::uint64_t offset, const char* name = "",
                     std::size_t length = sizeof(Error::name) - 1) noexcept {
  Error error;
  error.status = status;
  error.offset = offset;
  for (std::size_t i = 0; i < length && i < sizeof(error.name) - 1 && name[i] != '\0'; ++i) {
    error.name[i] = name[i];
  }
  return error;
}

}  // namespace ppgfast::format
