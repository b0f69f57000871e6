// One line for one check of a file: FAIL_IF(what is wrong, status, byte offset, name).
#pragma once

#include "ppgfast/status.hpp"

// A test numbers the checks and switches them off one by one (tests/cpp/test_format_mutation.cpp).
#ifndef PPGFAST_CHECK_IS_OFF
#define PPGFAST_CHECK_IS_OFF(condition) false
#endif

#define FAIL_IF(condition, ...)                             \
  do {                                                      \
    if ((condition) && !PPGFAST_CHECK_IS_OFF(#condition)) { \
      return ::ppgfast::failure(__VA_ARGS__);               \
    }                                                       \
  } while (false)
