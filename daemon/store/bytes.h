// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_STORE_BYTES_H
#define NORMD_DAEMON_STORE_BYTES_H

#include <stdint.h>

/* Numbers as they lie in the store's files: little-endian, unaligned. */

static inline uint16_t normd_bytes_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t normd_bytes_u32(const unsigned char *at)
{
    return normd_bytes_u16(at) | (uint32_t)normd_bytes_u16(at + 2) << 16;
}

static inline uint64_t normd_bytes_u64(const unsigned char *at)
{
    return normd_bytes_u32(at) | (uint64_t)normd_bytes_u32(at + 4) << 32;
}

static inline void normd_bytes_put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

static inline void normd_bytes_put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (unsigned char)(value >> 8 * i);
    }
}

#endif
