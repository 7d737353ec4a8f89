#!/usr/bin/env bash
# Builds the kernels for 64-bit ARM with Debian's cross compiler and runs their unit tests under
# QEMU, in an environment with pybind11, cmeel-eigen, cmake and ninja. Debian's packages
# g++-aarch64-linux-gnu and qemu-user have to be there; all else goes into build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
root=$PWD/build/aarch64-root

title() { printf '\n=== %s [%d s]\n' "$*" "$SECONDS"; }
run() {
  printf '+ %s\n' "$*"
  "$@"
}

for need in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$need" >/dev/null || {
    printf '%s: expected Debian'\''s packages g++-aarch64-linux-gnu and qemu-user\n' "$need" >&2
    exit 1
  }
done

title "GoogleTest and Debian's libraries for aarch64, unpacked: that needs no rights"
if [[ ! -e $root/.complete ]]; then
  state=$PWD/build/aarch64-apt
  rm -rf "$root" "$state"
  mkdir -p "$root" "$state"/{lists,archives}/partial
  : >"$state/status"
  apt=(apt-get -qq -o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/status"
    -o "Dir::State::extended_states=$state/extended" -o "Dir::Cache=$state"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "APT::Sandbox::User=$(id -un)")
  run "${apt[@]}" update
  run "${apt[@]}" install -y --download-only --no-install-recommends \
    libgtest-dev libgomp1 libstdc++6
  for package in "$state"/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
  rm -r "$state"
  touch "$root/.complete"
fi

title "The build"
# Python's modules are not built, but CMake wants to know where its headers would be.
headers=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
run cmake --preset aarch64 "-DPython_EXECUTABLE=$(command -v python)" "-DPython_INCLUDE_DIR=$headers"
run cmake --build --preset aarch64 -j "$jobs" --target _kernels_v1_tests

title "The kernels' unit tests"
run ctest --preset aarch64

title "Passed"
