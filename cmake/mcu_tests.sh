#!/bin/sh
# Builds the firmware of each microcontroller named and runs it under qemu: every model in MODELS against its own bits.
# Usage: mcu_tests.sh MODELS MCU...
set -eu

models=$1
shift
for mcu in "$@"; do
  echo "== cortex-$mcu"
  cmake -S . -B "build/mcu/$mcu" -G Ninja --toolchain cmake/toolchains/cortex-m.cmake -DCMAKE_BUILD_TYPE=MinSizeRel \
    -DPPGFAST_MCU="$mcu" -DPPGFAST_MCU_MODELS="$models" >"build/mcu/$mcu.log"
  cmake --build "build/mcu/$mcu"
  ctest --test-dir "build/mcu/$mcu" --verbose >"build/mcu/$mcu.txt" || { cat "build/mcu/$mcu.txt"; exit 1; }
  arm-none-eabi-size "build/mcu/$mcu"/cpp/apps/mcu/*_s8 >>"build/mcu/$mcu.txt"
  grep -E "^[0-9]+: [a-z]+ [0-9]+$|tests passed" "build/mcu/$mcu.txt"
done
