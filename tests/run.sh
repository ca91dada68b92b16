#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

usage() {
    cat <<'EOF'
usage: tests/run.sh [OPTIONS] [-- CTEST OPTIONS]

Installs the Debian packages that are missing, builds, and runs every test.

  --preset NAME    release (default), debug, asan-ubsan or tsan
  --all-presets    the tests in release, then asan-ubsan, then tsan
  --fuzz SECONDS   each fuzz target for so long (Clang)
  --soak SECONDS   normbench with random connects and disconnects for so long, then a look at leaks
                   and at resident memory
  --live N|Ns      N random cases, or cases for N seconds, beside the newest PyTorch and Keras, which
                   are installed into the build folder (some gigabytes)
  --kills N        N SIGKILLs of the daemon while clients train with retries
  --power-cuts N   N power cuts of the daemon in each mode of --fsync, out of a recorded run
  --neon           the kernels on aarch64 under user-mode qemu: the same bits as on this machine
  --no-install     do not install packages
  --clean          remove the build folder first

What stands behind -- goes to ctest: "tests/run.sh -- -R session" runs the tests of that name. With
--live, --kills and --power-cuts it goes there: "tests/run.sh --live 1 -- --seed 7" does that case
again.
EOF
}

presets=(release)
fuzz_seconds=0
soak_seconds=0
live=
kills=0
power_cuts=0
neon=no
install=yes
clean=no
while [ $# -gt 0 ]; do
    case $1 in
    --preset) presets=("${2:?--preset needs a name}") && shift ;;
    --all-presets) presets=(release asan-ubsan tsan) ;;
    --fuzz) fuzz_seconds=${2:?--fuzz needs seconds} && shift ;;
    --soak) soak_seconds=${2:?--soak needs seconds} && shift ;;
    --live) live=${2:?--live needs a number of cases, or seconds as in 60s} && shift ;;
    --kills) kills=${2:?--kills needs a number} && shift ;;
    --power-cuts) power_cuts=${2:?--power-cuts needs a number} && shift ;;
    --neon) neon=yes ;;
    --no-install) install=no ;;
    --clean) clean=yes ;;
    -h | --help) usage && exit 0 ;;
    --) shift && break ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

build_folder() {
    [ "$1" = release ] && echo build || echo "build-$1"
}

run_preset() {
    local preset=$1 folder
    shift
    folder=$(build_folder "$preset")
    [ "$clean" = yes ] && rm -rf "$folder"
    say "== Building ($preset)"
    build_quietly cmake --preset "$preset"
    build_quietly cmake --build --preset "$preset"
    say "== Testing ($preset)"
    ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
        UBSAN_OPTIONS=print_stacktrace=1 \
        TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1 \
        ctest --test-dir "$folder" --output-on-failure --parallel 2 "$@"
}

# run_live AMOUNT [ARGUMENTS]: the property test with the frameworks.
run_live() {
    local amount=$1 peers=build/live-peers
    shift
    say "== Building (release)"
    build_quietly cmake --preset release
    build_quietly cmake --build --preset release --target normd
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers"
    if [ "$install" = yes ]; then
        say "Installing PyTorch, Keras and onnx into $peers"
        "$peers/bin/pip" install --quiet --upgrade torch keras onnx numpy msgpack pytest
    fi
    case $amount in
    *s) set -- --seconds "${amount%s}" "$@" ;;
    *) set -- --cases "$amount" "$@" ;;
    esac
    KERAS_BACKEND=torch "$peers/bin/python" tests/conformance/live/run.py "$@"
    say "== Models of the frameworks, there and back"
    KERAS_BACKEND=torch NORMD_BUILD="$PWD/build" "$peers/bin/python" -m pytest -q \
        -p no:cacheprovider tests/conformance/live
}

# run_faults PROGRAM [ARGUMENTS]: one of the long tests of tests/faults.
run_faults() {
    local program=$1
    shift
    say "== Building (release)"
    build_quietly cmake --preset release
    build_quietly cmake --build --preset release --target normd faults
    NORMD_BUILD="$PWD/build" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "tests/faults/$program" "$@"
}

if [ "$install" = yes ]; then
    install_missing "${packages_to_build[@]}" "${packages_to_test[@]}"
    [ "$fuzz_seconds" -eq 0 ] || install_missing clang libclang-rt-14-dev
    [ -z "$live" ] || install_missing python3-venv
    [ "$neon" = no ] || install_missing "${packages_to_cross_compile[@]}"
fi
if [ "$fuzz_seconds" -gt 0 ]; then
    tests/fuzz/run.sh "$fuzz_seconds"
elif [ "$soak_seconds" -gt 0 ]; then
    tests/soak/run.sh "$soak_seconds"
elif [ -n "$live" ]; then
    run_live "$live" "$@"
elif [ "$kills" -gt 0 ]; then
    run_faults kills.py --kills "$kills" "$@"
elif [ "$power_cuts" -gt 0 ]; then
    run_faults power_cut.py --cuts "$power_cuts" "$@"
elif [ "$neon" = yes ]; then
    tests/cross/run.sh
else
    for preset in "${presets[@]}"; do
        run_preset "$preset" "$@"
    done
fi
