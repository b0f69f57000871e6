# Flags that every file is compiled with.

add_library(ppgfast_options INTERFACE)
target_compile_options(ppgfast_options INTERFACE
  -Wall -Wextra -Wshadow -Werror
  # An expression is what it says: fused only where the source says fma.
  -ffp-contract=off -fno-math-errno
  $<$<AND:$<CONFIG:Release>,$<NOT:$<PLATFORM_ID:Windows>>>:-fno-plt>)
if(WIN32)
  # Microsoft's headers call fopen and getenv deprecated, and min and max macros.
  target_compile_definitions(ppgfast_options INTERFACE
    WIN32_LEAN_AND_MEAN NOMINMAX _CRT_SECURE_NO_WARNINGS _CRT_NONSTDC_NO_WARNINGS)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC takes the stack for aligned to 32 and 64 bytes there, which it is not (GCC bug 54412).
    target_compile_options(ppgfast_options INTERFACE -Wa,-muse-unaligned-vector-move)
  endif()
endif()
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
