#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/soak/run.sh SECONDS
#
# normbench trains and asks with many connections, of which some are cut in the middle of a message
# and opened again. First the release build, whose resident memory must stay flat; then, for a fifth
# of the time, the AddressSanitizer build, which must end without a leak.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

seconds=${1:?usage: tests/soak/run.sh SECONDS}
work=$(mktemp -d)
daemon=
cleanup() {
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

start() {
    "$1/bin/normd" --port 0 --log-level warning 2>"$work/log" &
    daemon=$!
    for _ in $(seq 200); do
        port=$(sed -n 's/^normd: listening on .*:\([0-9]*\)$/\1/p' "$work/log")
        [ -z "$port" ] || return 0
        sleep 0.05
    done
    cat "$work/log" >&2
    return 1
}

stop() {
    kill -TERM "$daemon"
    if ! wait "$daemon"; then
        say "The daemon did not end well:" >&2
        tail -n 40 "$work/log" >&2
        exit 1
    fi
    daemon=
}

# Two loads side by side: steady connections that train several sessions, and connections that are
# cut at a random byte and opened again while they ask for inference.
load() {
    local bench=$1/bin/normbench status=0
    "$bench" --port "$port" --method train --sessions 4 --connections 16 --pipeline 4 \
        --shape 64x256 --seconds "$2" --churn >"$work/train" 2>&1 &
    local trainer=$!
    "$bench" --port "$port" --method infer --connections 32 --pipeline 8 --shape 16x256 \
        --seconds "$2" --churn >"$work/infer" 2>&1 || status=1
    wait "$trainer" || status=1
    cat "$work/train" "$work/infer"
    return "$status"
}

watch_memory() {
    while sleep 2; do
        awk '/^VmRSS/ {print $2}' "/proc/$daemon/status" 2>/dev/null || return 0
    done >"$work/rss"
}

build_quietly cmake --preset release
build_quietly cmake --build --preset release --target normd normbench
say "== release, $seconds seconds"
start build
watch_memory &
watcher=$!
load build "$seconds"
kill "$watcher" 2>/dev/null || true
stop
awk '{ kib[NR] = $1 }
    END {
        for (i = int(NR / 3) + 1; i <= NR; i++) {
            if (i <= int(2 * NR / 3)) { if (kib[i] > middle) middle = kib[i] }
            else if (kib[i] > last) last = kib[i]
        }
        printf "resident memory: first %d KiB, most in the middle third %d, most in the last third %d (%d samples)\n",
            kib[1], middle, last, NR
        exit !(NR >= 6 && last <= middle * 1.05 + 1024)
    }' "$work/rss" || {
    say "Resident memory grew." >&2
    exit 1
}

build_quietly cmake --preset asan-ubsan
build_quietly cmake --build --preset asan-ubsan --target normd normbench
say "== AddressSanitizer, $((seconds / 5 + 5)) seconds"
start build-asan-ubsan
load build-asan-ubsan $((seconds / 5 + 5))
stop
say "No leak, no error."
