#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/setup_peers.sh [FOLDER]
#
# Installs what the kernel benchmark compares with into a Python environment of its own (default:
# build-peers; some gigabytes): the newest PyTorch and oneDNN of the Python package index, and
# matplotlib for the pictures; and Redis, for what durability costs. Then builds the programs in
# build-bench. Never part of the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

peers=$(realpath -m "${1:-build-peers}")
install_missing "${packages_to_build[@]}" python3-venv libcmocka-dev redis-server
[ -x "$peers/bin/python" ] || python3 -m venv "$peers"
say "Installing PyTorch, oneDNN and matplotlib into $peers"
"$peers/bin/pip" install --quiet --upgrade torch numpy matplotlib onednn-devel
build_quietly cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DNORMD_BENCH_ONEDNN="$peers"
build_quietly cmake --build build-bench --target bench
say "Ready: tests/bench/compare.py --peers $peers"
