#!/bin/sh
# Builds a preset and runs its C++ tests under qemu as several CPUs, each of which must choose the table named.
# Usage: emulated_tests.sh PRESET CPU=ISA...
set -eu

# The format's fuzzer runs in full on the real CPU; here it only shows that its code runs.
export PPGFAST_FUZZ_ROUNDS=20000
# So do the streams, with the smallest models.
export PPGFAST_EMULATED=1

preset=$1
shift
cmake --preset "$preset"
cmake --build --preset "$preset"
for pair in "$@"; do
  cpu=${pair%%=*}
  isa=${pair#*=}
  echo "== $preset: $cpu, which runs $isa"
  QEMU_CPU=$cpu PPGFAST_EXPECTED_ISA=$isa ctest --preset "$preset" --label-exclude build
done
