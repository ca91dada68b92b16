#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/fuzz/run.sh SECONDS
#
# Builds the fuzz targets with Clang and runs each for so long; stops at the first finding.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=clients/setup/packages.sh
source clients/setup/packages.sh

seconds=${1:?usage: tests/fuzz/run.sh SECONDS}
build_quietly cmake --preset fuzz
build_quietly cmake --build --preset fuzz --target fuzz
for program in build-fuzz/bin/fuzz-*; do
    name=${program##*/fuzz-}
    say "== $name, $seconds seconds"
    "$program" -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/" "build-fuzz/tests/fuzz/corpus-$name" 2>&1 |
        tee "build-fuzz/$name.log" | grep -E 'number_of_executed_units|ERROR|SUMMARY' || {
        tail -n 40 "build-fuzz/$name.log" >&2
        exit 1
    }
done
say "No finding."
