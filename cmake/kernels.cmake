# One translation unit, one flag set, one symbol gate and one contraction gate for each instruction set.

add_library(ppgfast_kernels INTERFACE)

# ppgfast_add_kernel_object(<target> <source> [flags...]): an object with a kernel's flags.
function(ppgfast_add_kernel_object target source)
  add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/cpp/src/kernels/${source})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cpp/src)
  target_link_libraries(${target} PRIVATE ppgfast_options)
  ppgfast_pin_baseline(${target})
  # -O3 in every build type: a table that is only tested when it is slow is not tested. Under sanitizers -O1, since the
  # unrolled blocks with all their checks would take the compiler minutes; -O2 where flash is scarce.
  target_compile_options(${target} PRIVATE $<IF:$<BOOL:${PPGFAST_SANITIZE}>,-O1,$<IF:$<BOOL:${PPGFAST_MCU}>,-O2,-O3>> ${ARGN})
endfunction()

# ppgfast_add_kernels(<isa> [flags...]): compiles cpp/src/kernels/<isa>.cpp, checks its symbols and its arithmetic.
function(ppgfast_add_kernels isa)
  set(object ppgfast_kernels_${isa})
  set(probe ppgfast_probe_${isa})
  ppgfast_add_kernel_object(${object} ${isa}.cpp ${ARGN})
  ppgfast_add_kernel_object(${probe} contraction_probe.cpp ${ARGN})

  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${object}.symbols)
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<TARGET_OBJECTS:${object}>" -DTABLE=${isa}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_symbols.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${object} $<TARGET_OBJECTS:${object}> ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_symbols.cmake
    COMMAND_EXPAND_LISTS
    COMMENT "Checking the symbols of the ${isa} kernels")
  set(arithmetic ${CMAKE_CURRENT_BINARY_DIR}/${object}.arithmetic)
  add_custom_command(
    OUTPUT ${arithmetic}
    COMMAND ${CMAKE_COMMAND} -DOBJDUMP=${CMAKE_OBJDUMP} "-DOBJECT=$<TARGET_OBJECTS:${probe}>" -DTABLE=${isa}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_contraction.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${arithmetic}
    DEPENDS ${probe} $<TARGET_OBJECTS:${probe}> ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_contraction.cmake
    COMMAND_EXPAND_LISTS
    COMMENT "Checking the arithmetic of the ${isa} kernels")
  add_custom_target(${object}_arithmetic ALL DEPENDS ${arithmetic})
  if(NOT PPGFAST_SANITIZE) # sanitizers add symbols of their own
    add_custom_target(${object}_symbols ALL DEPENDS ${stamp})
  endif()

  string(TOUPPER ${isa} upper)
  target_sources(ppgfast_kernels INTERFACE $<TARGET_OBJECTS:${object}>)
  if(NOT isa STREQUAL scalar)
    target_compile_definitions(ppgfast_kernels INTERFACE PPGFAST_HAVE_${upper})
    target_compile_definitions(${object} PRIVATE PPGFAST_HAVE_${upper})
  endif()
endfunction()

ppgfast_add_kernels(scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  ppgfast_add_kernels(avx2 -mavx2 -mfma)
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  ppgfast_add_kernels(avx512 ${avx512})
  ppgfast_add_kernels(avx512vnni ${avx512} -mavx512vnni)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  # GCC's first scheduling pass loads weights so early that the accumulators no longer fit into the registers.
  set(unscheduled $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
  ppgfast_add_kernels(neon ${unscheduled})
  ppgfast_add_kernels(neon_dot -march=armv8.2-a+dotprod ${unscheduled})
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "cortex-m55")
  ppgfast_add_kernels(mve -mcpu=cortex-m55)
endif()
