# SPDX-License-Identifier: Apache-2.0
# Sourced by clients/demo.sh and tests/run.sh: what normd needs of Debian, and how it is built.

# To build and run normd and its clients.
packages_to_build=(
    cmake ninja-build gcc libc6-dev pkg-config
    libuv1-dev libmsgpack-dev libopenblas-pthread-dev libjansson-dev uthash-dev zlib1g-dev libzip-dev
    libxxhash-dev liblmdb-dev libisal-dev
    python3 python3-numpy python3-msgpack
)
# To test it.
packages_to_test=(
    git libcmocka-dev clang-format
    python3-pytest python3-msgpack-numpy python3-pynvim
)
# To test the kernels on aarch64.
packages_to_cross_compile=(
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
)

say() {
    printf '%s\n' "$*"
}

# install_missing PACKAGE...: installs those that are not there, with apt, as root or with sudo.
install_missing() {
    local missing=() package as_root=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            say "These Debian packages are missing, and installing them needs root or sudo: ${missing[*]}" >&2
            return 1
        }
        as_root=(sudo)
    fi
    say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# build_quietly COMMAND...: runs a build step; prints its output only when it fails.
build_quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
