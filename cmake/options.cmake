# Flags that every file is compiled with.

add_library(ppgfast_options INTERFACE)
target_compile_options(ppgfast_options INTERFACE
  -Wall -Wextra -Wshadow -Werror
  # An expression is what it says: fused only where the source says fma.
  -ffp-contract=off -fno-math-errno
  $<$<CONFIG:Release>:-fno-plt>)
if(PPGFAST_SANITIZE)
  target_compile_options(ppgfast_options INTERFACE
    -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ppgfast_options INTERFACE -fsanitize=address,undefined)
endif()

# No compiler default and no CXXFLAGS may raise the baseline: what is not a kernel runs on every CPU of its family.
function(ppgfast_pin_baseline target)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    target_compile_options(${target} PRIVATE -march=x86-64)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    target_compile_options(${target} PRIVATE -march=armv8-a)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^armv7")
    target_compile_options(${target} PRIVATE -march=armv7-a+fp)
  elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "cortex-m55") # where MVE is used, subnormal numbers need care
    target_compile_options(${target} PRIVATE -mcpu=cortex-m55+nomve.fp)
  endif()
endfunction()
