# A kernel object may export its table and nothing else. A weak symbol (an inline function or a template shared with
# other files) compiled for a newer CPU could be the copy that the linker keeps for everybody, and crash old CPUs.

execute_process(COMMAND ${NM} -C ${OBJECTS} OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} could not read ${OBJECTS}")
endif()
string(REPLACE "\n" ";" lines "${listing}")
set(allowed_undefined # __aeabi_*: 32-bit ARM divides integers in the compiler's library
  # _fltused, __chkstk: Microsoft's ABI wants them where there are floats and large frames
  # ppgfast::kernels::scalar: the mve table falls back to it
  "^(ppgfast::kernels::scalar|fmaf|sqrtf|memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__aeabi_u?idiv(mod)?|_fltused|_*chkstk(_ms)?)(@|$)")
# Microsoft's ABI names constants by their value, so that files share equal ones: data, on which no CPU crashes.
set(shared_constant "^(__(real|xmm|ymm|zmm)@[0-9a-f]+|\"[a-z0-9]+\")$")
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
  if(kind STREQUAL "R" AND name MATCHES "${shared_constant}")
    continue()
  endif()
  if(kind MATCHES "^[DR]$" AND name MATCHES "^(struct ppgfast::kernels::Kernels const )?ppgfast::kernels::${TABLE}$")
    continue()
  endif()
  message(FATAL_ERROR "kernels/${TABLE}.cpp: symbol '${name}' (nm: ${kind}) must not be there. "
    "Keep everything but the table in the anonymous namespace and include no C++ library header.")
endforeach()
