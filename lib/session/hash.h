// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_HASH_H
#define NORMD_SESSION_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 64 bits (Fowler, Noll, Vo): tells things apart that were not made to look alike. */
#define NORMD_HASH_BEGIN UINT64_C(0xcbf29ce484222325)

/* Goes on from `hash`. */
static inline uint64_t normd_hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#endif
