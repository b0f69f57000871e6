# The C face: a shared and a static library, two programs, and what other builds need to find them.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

function(ppgfast_add_c_library target kind)
  add_library(${target} ${kind} ${PROJECT_SOURCE_DIR}/cpp/src/c_api.cpp $<TARGET_OBJECTS:ppgfast_core>)
  target_compile_definitions(${target} PRIVATE PPGFAST_VERSION="${PPGFAST_VERSION}")
  target_include_directories(${target}
    PRIVATE ${PROJECT_SOURCE_DIR}/cpp/src
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/cpp/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:ppgfast_options> $<BUILD_INTERFACE:ppgfast_kernels>)
  ppgfast_pin_baseline(${target})
endfunction()

set(exported ${PROJECT_SOURCE_DIR}/cmake/c_library.map)
ppgfast_add_c_library(ppgfast SHARED)
target_link_options(ppgfast PRIVATE -Wl,--no-undefined $<$<NOT:$<PLATFORM_ID:Windows>>:-Wl,--version-script=${exported}>)
set_target_properties(ppgfast PROPERTIES VERSION ${PPGFAST_VERSION} SOVERSION 0 LINK_DEPENDS ${exported})
ppgfast_add_c_library(ppgfast_static STATIC)
set_target_properties(ppgfast_static PROPERTIES OUTPUT_NAME ppgfast)
target_link_libraries(ppgfast_static INTERFACE stdc++ m) # a program in C does not bring them

foreach(program run bench)
  add_executable(ppgfast_${program} ${PROJECT_SOURCE_DIR}/cpp/apps/ppgfast_${program}.cpp)
  set_target_properties(ppgfast_${program} PROPERTIES OUTPUT_NAME ppgfast-${program})
  target_link_libraries(ppgfast_${program} PRIVATE ppgfast_static ppgfast_options)
  if(NOT PPGFAST_SANITIZE) # one file to copy onto a device
    target_link_options(ppgfast_${program} PRIVATE -static -Wl,--gc-sections $<$<CONFIG:Release>:-s>)
  endif()
  ppgfast_pin_baseline(ppgfast_${program})
endforeach()

install(TARGETS ppgfast ppgfast_static EXPORT ppgfast)
install(TARGETS ppgfast_run ppgfast_bench)
install(FILES ${PROJECT_SOURCE_DIR}/cpp/include/ppgfast/ppgfast.h ${PROJECT_SOURCE_DIR}/cpp/include/ppgfast/status.def
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ppgfast)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/ppgfast)
install(EXPORT ppgfast NAMESPACE ppgfast:: DESTINATION ${package} FILE ppgfastConfig.cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ppgfastConfigVersion.cmake
  VERSION ${PPGFAST_VERSION} COMPATIBILITY SameMinorVersion)
configure_file(${PROJECT_SOURCE_DIR}/cmake/ppgfast.pc.in ${PROJECT_BINARY_DIR}/ppgfast.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ppgfastConfigVersion.cmake DESTINATION ${package})
install(FILES ${PROJECT_BINARY_DIR}/ppgfast.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
