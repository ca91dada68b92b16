// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/once_hash.h"

#include <xxhash.h>

uint64_t normd_once_hash(
    const void *body, size_t body_size, const normd_once_piece *payloads, size_t count)
{
    /* XXH3 takes in the size of what it hashes, so bytes cannot move from one piece into the next
       unseen. */
    uint64_t hash = XXH3_64bits_withSeed(body, body_size, count);
    for (size_t i = 0; i < count; i++) {
        hash = XXH3_64bits_withSeed(payloads[i].data, payloads[i].size, hash);
    }
    return hash;
}
