# The probe is one multiplication and one addition; no compiler may have made them one fused operation.

execute_process(COMMAND ${OBJDUMP} -d --no-show-raw-insn ${OBJECT} OUTPUT_VARIABLE code RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${OBJDUMP} could not read ${OBJECT}")
endif()
if(NOT code MATCHES "contraction_probe")
  message(FATAL_ERROR "${OBJECT} is not the contraction probe")
endif()
# x86: vfmadd132ss ...; 64-bit ARM: fmadd, fmla ...; 32-bit ARM: vfma, vfms, vfnma ...
if(code MATCHES "[ \t](v?fn?m(add|sub|la|ls)[a-z0-9]*|vfn?m[as][a-z0-9.]*)[ \t]")
  message(FATAL_ERROR "The compiler contracts a * b + c into '${CMAKE_MATCH_1}': results would differ between CPUs. "
    "Remove -ffp-contract=fast or =on from the flags of kernels/${TABLE}.cpp.")
endif()
