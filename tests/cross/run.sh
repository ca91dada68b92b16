#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/cross/run.sh
#
# Compiles the kernels for this machine and for aarch64, runs the same random cases with every row of
# the table on both, the latter under user-mode qemu, and compares all results bit by bit.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compile FOLDER CMAKE OPTIONS...
compile() {
    local folder=$1
    shift
    build_quietly cmake -S tests/cross -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release "$@"
    build_quietly cmake --build "$folder"
}

# run NAME COMMAND...: the digests of all rows that the program has, each in $work/NAME-ROW.
run() {
    local name=$1 rows row
    shift
    rows=$("$@")
    for row in $rows; do
        "$@" "$row" >"$work/$name-$row"
    done
}

say "== Building the kernels for this machine and for aarch64"
compile build-neon
compile build-neon-arm -DCMAKE_TOOLCHAIN_FILE="$PWD/tests/cross/aarch64.cmake"

say "== Comparing their results"
run native build-neon/kernel-digest
run aarch64 qemu-aarch64-static build-neon-arm/kernel-digest
expected=$work/native-reference
failed=no
for digests in "$work"/*; do
    if ! cmp -s "$expected" "$digests"; then
        say "$(basename "$digests") differs from $(basename "$expected") in" \
            "$(diff "$expected" "$digests" | grep -c '^>') results; the first:" >&2
        diff "$expected" "$digests" | grep '^[<>]' | head -n 10 >&2 || true
        failed=yes
    fi
done
[ "$failed" = no ] || exit 1
say "$(wc -l <"$expected") results are the same, bit by bit, from: $(cd "$work" && echo *)"
