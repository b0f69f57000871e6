# One translation unit, one flag set, one symbol gate for each instruction set.

add_library(ppgfast_kernels INTERFACE)

# ppgfast_add_kernels(<isa> [flags...]): compiles cpp/src/kernels/<isa>.cpp and checks its symbols.
function(ppgfast_add_kernels isa)
  set(object ppgfast_kernels_${isa})
  add_library(${object} OBJECT cpp/src/kernels/${isa}.cpp)
  target_include_directories(${object} PRIVATE cpp/src cpp/include)
  target_link_libraries(${object} PRIVATE ppgfast_options)
  ppgfast_pin_baseline(${object})
  # -O3 in every build type: a table that is only tested when it is slow is not tested.
  target_compile_options(${object} PRIVATE -O3 ${ARGN})

  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${object}.symbols)
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<TARGET_OBJECTS:${object}>" -DTABLE=${isa}
            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_symbols.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${object} $<TARGET_OBJECTS:${object}> ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_symbols.cmake
    COMMAND_EXPAND_LISTS
    COMMENT "Checking the symbols of the ${isa} kernels")
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
endif()
