#!/bin/sh
# Installs what a bare Debian lacks for building a Python module (venv, the headers, a compiler) and any command named.
# Usage: system_packages.sh PYTHON [COMMAND:PACKAGE...]. Does nothing when nothing is missing; asks when it may not
# install.
set -eu

python=$1
shift
missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
"$python" -c 'import os, sysconfig; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
  missing="$missing python3-dev"
command -v c++ >/dev/null || missing="$missing g++"
for pair in "$@"; do
  command -v "${pair%%:*}" >/dev/null && continue
  case " $missing " in *" ${pair#*:} "*) ;; *) missing="$missing ${pair#*:}" ;; esac
done
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  # shellcheck disable=SC2086  # several words on purpose
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
  echo "This machine lacks:$missing. Install it first: sudo apt-get install$missing" >&2
  exit 1
fi
