#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/infer_beside_redis.sh [ROUNDS]
#
# Requests a second of `infer` with a batch of 1 KiB (one row of 256 float32, a batch-norm session)
# beside redis-benchmark's GET and SET of 1 KiB: the same connections and pipelining, in turns in one
# run, medians. Needs redis-server and redis-benchmark (Debian: redis).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

rounds=${1:-5}
work=$(mktemp -d)
cleanup() {
    kill "$(cat "$work/redis.pid" 2>/dev/null)" "$(cat "$work/normd.pid" 2>/dev/null)" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

install_missing "${packages_to_build[@]}" redis-server redis-tools
build_quietly cmake --preset release
build_quietly cmake --build --preset release --target normd normbench

build/bin/normd --port 0 --log-level warning 2>"$work/normd.log" &
echo $! >"$work/normd.pid"
redis_socket_port=$((20000 + RANDOM % 10000))
redis-server --port "$redis_socket_port" --bind 127.0.0.1 --save '' --appendonly no >/dev/null &
echo $! >"$work/redis.pid"
for _ in $(seq 100); do
    port=$(sed -n 's/^normd: listening on .*:\([0-9]*\)$/\1/p' "$work/normd.log")
    [ -n "$port" ] && redis-cli -p "$redis_socket_port" ping >/dev/null 2>&1 && break
    sleep 0.05
done

# Or the first GET would find nothing.
redis-benchmark -p "$redis_socket_port" -t set -d 1024 -c 1 -n 1 >/dev/null

redis() { # METHOD CONNECTIONS PIPELINE REQUESTS
    redis-benchmark -p "$redis_socket_port" -t "$1" -d 1024 -c "$2" -P "$3" -n "$4" --csv |
        awk -F'","' 'END { print $2 }'
}

normd() { # CONNECTIONS PIPELINE REQUESTS
    build/bin/normbench --port "$port" --method infer --shape 1x256 --connections "$1" \
        --pipeline "$2" --requests "$3" --json | python3 -c \
        'import json, sys; print(json.load(sys.stdin)["requests_per_second"])'
}

median() {
    sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

printf '%-28s %12s %12s %12s %10s %10s\n' 'connections x pipeline' infer/s GET/s SET/s infer/GET infer/SET
for setting in '1 1 20000' '50 1 100000' '50 16 500000'; do
    read -r connections pipeline requests <<<"$setting"
    : >"$work/infer" && : >"$work/get" && : >"$work/set"
    for _ in $(seq "$rounds"); do
        normd "$connections" "$pipeline" "$requests" >>"$work/infer"
        redis get "$connections" "$pipeline" "$requests" >>"$work/get"
        redis set "$connections" "$pipeline" "$requests" >>"$work/set"
    done
    awk -v name="$connections x $pipeline" -v infer="$(median <"$work/infer")" \
        -v get="$(median <"$work/get")" -v set="$(median <"$work/set")" \
        'BEGIN { printf "%-28s %12.0f %12.0f %12.0f %10.2f %10.2f\n", name, infer, get, set, infer / get, infer / set }'
done
