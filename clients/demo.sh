#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

usage() {
    cat <<'EOF'
usage: clients/demo.sh [--keep] [--no-install]

Builds normd, starts it, and has four clients (two processes of normctl, two of Python) train one
shared session on handwritten digits at the same time, while others look on and ask for inference.
In the middle the daemon is killed (SIGKILL) and started again; nothing is lost or applied twice.

  --keep         leave the daemon running, and say how to talk to it
  --no-install   do not install missing Debian packages
EOF
}

keep=no
install=yes
for option in "$@"; do
    case $option in
    --keep) keep=yes ;;
    --no-install) install=no ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

epochs=20
batch=64
rate=40 # batches a second of each client, as live streams would bring them
python=/usr/bin/python3
work=$(mktemp -d "${TMPDIR:-/tmp}/normd-demo.XXXXXX")
daemon=
port=0
starts=0
watcher=
clients=()

clean_up() {
    local status=$?
    for client in "${clients[@]}" $watcher; do
        kill "$client" 2>/dev/null || true
    done
    if [ -n "$daemon" ] && { [ "$keep" = no ] || [ "$status" -ne 0 ]; }; then
        kill -TERM "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    if [ "$status" -ne 0 ] && [ -s "$work/daemon.log" ]; then
        say "The demo failed. The daemon's last words:" >&2
        tail -n 20 "$work/daemon.log" >&2
    fi
    [ "$keep" = yes ] && [ "$status" -eq 0 ] || rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

heading() {
    printf '\n== %s\n' "$*"
}

normctl() {
    build/bin/normctl --port "$port" "$@"
}

# json FIELD: one field of the JSON map on standard input.
json() {
    "$python" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

build() {
    [ "$install" = no ] || install_missing "${packages_to_build[@]}"
    say "Building normd (release)"
    build_quietly cmake --preset release -DNORMD_TESTS=OFF -DNORMD_WERROR=OFF
    build_quietly cmake --build --preset release --target normd normctl
}

# On a free port; again on the one that it had.
start_daemon() {
    build/bin/normd --port "$port" --data-dir "$work/data" </dev/null >/dev/null \
        2>>"$work/daemon.log" &
    daemon=$!
    starts=$((starts + 1))
    for _ in $(seq 100); do
        port=$(sed -n 's/^normd: listening on .*:\([0-9]*\)$/\1/p' "$work/daemon.log" |
            sed -n "${starts}p")
        [ -n "$port" ] && return 0
        kill -0 "$daemon" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# Every fifth row, from the first, is held out; the rest is dealt to the four clients.
split_data() {
    gzip -dc clients/data/digits.csv.gz | awk -F, -v dir="$work" '
        NR % 5 == 1 { print > (dir "/test.csv"); next }
        { print > (dir "/train-" (1 + kept++ % 4) ".csv") }'
}

create_session() {
    normctl create digits --input 64 --layers 'linear 128, batch_norm, relu, linear 10' \
        --loss cross_entropy --optimizer 'adam lr=0.001' --seed 1
}

# The watcher is connected before the first client starts, so that it sees the first steps.
start_watcher() {
    "$python" clients/python/examples/watch.py --port "$port" --scale 16 --until-step "$steps" \
        digits "$work/test.csv" &
    watcher=$!
    until [ "$(normctl --json info | json connections)" -ge 2 ]; do
        kill -0 "$watcher"
    done
}

start_clients() {
    local client
    for client in 1 2; do
        build/bin/normctl --port "$port" train digits "$work/train-$client.csv" --scale 16 \
            --epochs "$epochs" --batch "$batch" --rate "$rate" --seed "$client" \
            >"$work/client-$client.log" 2>&1 &
        clients+=($!)
    done
    for client in 3 4; do
        "$python" clients/python/examples/train_csv.py --port "$port" --scale 16 \
            --epochs "$epochs" --batch "$batch" --rate "$rate" --seed "$client" \
            digits "$work/train-$client.csv" >"$work/client-$client.log" 2>&1 &
        clients+=($!)
    done
}

# Nobody is told: the clients connect again by themselves, and send what was not answered again.
kill_and_start_again() {
    until [ "$(normctl --json describe digits | json version)" -ge $((steps / 2)) ]; do
        sleep 0.1
    done
    kill -KILL "$daemon"
    wait "$daemon" 2>/dev/null || true
    say "  kill -9: the daemon is gone in the middle of a step, and is started again"
    start_daemon
    sed -n 's/^[^ ]* info \(recovered [0-9]* sessions in [0-9.]* seconds\).*/  \1/p' "$work/daemon.log" |
        tail -n 1
}

# Steps that the four clients make together: a rest of one row joins the batch before it.
count_steps() {
    local file rows steps=0
    for file in "$work"/train-*.csv; do
        rows=$(wc -l <"$file")
        steps=$((steps + epochs * ((rows + batch - 2) / batch)))
    done
    echo "$steps"
}

wait_for_clients() {
    local index
    for index in "${!clients[@]}"; do
        if ! wait "${clients[$index]}"; then
            say "Client $((index + 1)) failed:" >&2
            cat "$work/client-$((index + 1)).log" >&2
            exit 1
        fi
    done
    clients=()
}

tell_how_to_talk() {
    disown "$daemon"
    heading "The daemon goes on"
    cat <<EOF
It listens on 127.0.0.1:$port, process $daemon. Try:
  build/bin/normctl --port $port stats digits
  build/bin/normctl --port $port evaluate digits $work/test.csv --scale 16
  build/bin/normctl --port $port infer digits $work/test.csv --scale 16 --target last --argmax
Stop it with:
  kill $daemon; rm -r $work
EOF
}

export PYTHONPATH=clients/python PYTHONDONTWRITEBYTECODE=1

build
split_data
test_rows=$(wc -l <"$work/test.csv")
train_rows=$(cat "$work"/train-*.csv | wc -l)
started=$SECONDS

heading "The daemon"
start_daemon
sed -n 's/^normd: //p' "$work/daemon.log"

heading "One session: linear 128, batch norm, relu, linear 10, cross-entropy, Adam"
create_session
say
say "Running statistics before training:"
normctl stats digits

steps=$(count_steps)
heading "Four clients train it at once: $train_rows digits, $epochs epochs, batches of $batch, $steps steps"
say "Two are normctl, two are Python; each sends $rate batches a second. A fifth watches, with $test_rows"
say "held-out digits."
start_watcher
start_clients
kill_and_start_again
wait "$watcher"
wait_for_clients

heading "What they left"
say "Running statistics after training:"
normctl stats digits
say "Held-out digits:"
normctl evaluate digits "$work/test.csv" --scale 16

accuracy=$(normctl --json evaluate digits "$work/test.csv" --scale 16 | json accuracy)
version=$(normctl --json describe digits | json version)
heading "In plain words"
cat <<EOF
Four processes sent $train_rows digits $epochs times, $steps batches in all. The daemon took them one after
another, so that there is one set of parameters and running statistics: version $version of the
session. The daemon was killed once in the middle, and every batch was applied once all the same: it
writes down what it answers, and each batch carries a number, so that a client that heard nothing
sends it again. While they trained, inference and evaluation were answered from whole versions, without
waiting. Of $test_rows digits that nobody trained on, the model reads $(awk "BEGIN{printf \"%.1f\", 100 * $accuracy}") % right.
EOF

[ "$version" -eq "$steps" ] || {
    say "Expected version $steps, got $version: a batch was lost or applied twice." >&2
    exit 1
}
if [ "$keep" = yes ]; then
    tell_how_to_talk
else
    kill -TERM "$daemon"
    wait "$daemon"
    daemon=
    say
    say "The daemon was stopped and answered everything; nothing is left behind."
fi
say "All this took $((SECONDS - started + 1)) seconds at most, after the build."
