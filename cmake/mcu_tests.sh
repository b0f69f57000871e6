#!/bin/sh
# Builds the firmware of each microcontroller named and runs it under qemu: every model in MODELS against its own bits.
# Usage: mcu_tests.sh MODELS MCU...
set -eu

models=$1
shift
for mcu in "$@"; do
  for kind in gpt tcn; do
    echo "== cortex-$mcu, $kind"
    build=build/mcu/$mcu/$kind
    mkdir -p "$build"
    cmake -S . -B "$build" -G Ninja --toolchain cmake/toolchains/cortex-m.cmake -DCMAKE_BUILD_TYPE=MinSizeRel \
      -DPPGFAST_MCU="$mcu" -DPPGFAST_MCU_KIND="$kind" -DPPGFAST_MCU_MODELS="$models" >"$build.log"
    cmake --build "$build"
    ctest --test-dir "$build" --verbose >"$build.txt" || { cat "$build.txt"; exit 1; }
    find "$build/cpp/apps/mcu" -maxdepth 1 -type f -perm -u+x -exec arm-none-eabi-size {} + >>"$build.txt"
    grep -E "^[0-9]+: [a-z ]+ [0-9a-f]+$|tests passed" "$build.txt"
  done
done
