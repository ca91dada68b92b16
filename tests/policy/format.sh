#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fails when a C file is not laid out as .clang-format says. Exit 77 (skipped) without clang-format.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || exit 77
git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run --Werror
