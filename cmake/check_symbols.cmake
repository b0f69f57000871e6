# A kernel object may export its table and nothing else. A weak symbol (an inline function or a template shared with
# other files) compiled for a newer CPU could be the copy that the linker keeps for everybody, and crash old CPUs.

execute_process(COMMAND ${NM} -C ${OBJECTS} OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} could not read ${OBJECTS}")
endif()
string(REPLACE "\n" ";" lines "${listing}")
set(allowed_undefined # __aeabi_*: 32-bit ARM divides integers in the compiler's library
  # ppgfast::kernels::scalar: the mve table falls back to it
  "^(ppgfast::kernels::scalar|fmaf|sqrtf|memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__aeabi_u?idiv(mod)?)(@|$)")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^[0-9a-f ]+ ([A-Za-z]) (.*)$")
    continue()
  endif()
  set(kind ${CMAKE_MATCH_1})
  set(name ${CMAKE_MATCH_2})
  if(kind MATCHES "^[a-z]$")
    continue() # local
  endif()
  if(kind STREQUAL "U" AND name MATCHES "${allowed_undefined}")
    continue()
  endif()
  if(kind MATCHES "^[DR]$" AND name STREQUAL "ppgfast::kernels::${TABLE}")
    continue()
  endif()
  message(FATAL_ERROR "kernels/${TABLE}.cpp: symbol '${name}' (nm: ${kind}) must not be there. "
    "Keep everything but the table in the anonymous namespace and include no C++ library header.")
endforeach()
