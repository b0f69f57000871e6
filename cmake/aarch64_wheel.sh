#!/bin/sh
# Builds the wheel for 64-bit ARM Linux into dist/ and runs it in a Python for 64-bit ARM under qemu, as several CPUs,
# each of which must choose the table named. That Python is unpacked from Debian's packages into build/; the system and
# its list of packages stay as they are.
# Usage: aarch64_wheel.sh PYTHON CPU=ISA...; PYTHON, this machine's, decides the version.
set -eu

python=$1
shift
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
abi=cp$(echo "$version" | tr -d .)
folder=$PWD/build/aarch64-wheel
root=$folder/root
site=$folder/site

unpack_python() {
  state=$folder/apt
  rm -rf "$root.part" "$state"
  mkdir -p "$root.part" "$state/lists/partial" "$state/archives/partial"
  : >"$state/status"
  # The machine's own sources, for the other architecture.
  apt-get indextargets 'Created-By: Packages' --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' | sort -u |
    while read -r uri release component; do
      echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release $component"
    done >"$state/sources.list"
  apt() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::Etc::sourcelist="$state/sources.list" \
      -o Dir::Etc::sourceparts=- -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state" \
      -o Debug::NoLocking=1 -o APT::Install-Recommends=0 -o APT::Sandbox::User="$(id -un)" "$@"
  }
  # A mirror's list of security updates can be out of step with its packages; the release alone will do.
  apt update || { sed -i '/-security/d' "$state/sources.list" && apt update; }
  apt install -y --download-only "python$version-minimal" "libpython$version-stdlib" "libpython$version-dev" libstdc++6 ||
    { echo "This system's packages have no Python $version for arm64: make .venv with its own python3" >&2; exit 1; }
  for package in "$state"/archives/*.deb; do dpkg-deb -x "$package" "$root.part"; done
  rm -rf "$state"
  mv "$root.part" "$root"
}

[ -x "$root/usr/bin/python$version" ] || { rm -rf "$root" && unpack_python; }

# The headers are those of the other Python too: pyconfig.h tells architectures apart.
rm -f dist/ppgfast-*-linux_aarch64.whl
include=$root/usr/include
_PYTHON_HOST_PLATFORM=linux-aarch64 SETUPTOOLS_EXT_SUFFIX=.cpython-${abi#cp}-aarch64-linux-gnu.so \
  CMAKE_TOOLCHAIN_FILE=$PWD/cmake/toolchains/aarch64-linux-gnu.cmake CXXFLAGS="-idirafter $include" \
  "$python" -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist \
  --config-settings=cmake.define.Python_INCLUDE_DIR="$include/python$version" .
wheel=$(echo dist/ppgfast-*-"$abi-$abi"-linux_aarch64.whl)
[ -f "$wheel" ] || { echo "no wheel for $abi and linux_aarch64 in dist: $(ls dist)" >&2; exit 1; }

rm -rf "$site"
"$python" -m pip install --quiet --no-cache-dir --target "$site" --only-binary=:all: --python-version "$version" \
  --implementation cp --abi "$abi" --platform linux_aarch64 --platform manylinux2014_aarch64 \
  --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 "$wheel"
for pair in "$@"; do
  PYTHONPATH=$site qemu-aarch64 -cpu "${pair%%=*}" -L "$root" "$root/usr/bin/python$version" -W error \
    tests/stored_answers.py "${pair#*=}"
done
echo "$wheel"
