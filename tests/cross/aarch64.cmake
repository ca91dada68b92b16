# SPDX-License-Identifier: Apache-2.0
# Toolchain file: Debian's cross compiler for aarch64. Programs are static, so that user-mode qemu
# runs them without a tree of libraries.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
