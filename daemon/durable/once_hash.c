// SPDX-License-Identifier: Apache-2.0
#include "daemon/durable/once_hash.h"

#include <xxhash.h>

/* XXH3 takes in the size of what it hashes, so bytes cannot move from one piece into the next
   unseen. */
uint64_t normd_once_hash_body(const void *body, size_t size, size_t payloads)
{
    return XXH3_64bits_withSeed(body, size, payloads);
}

uint64_t normd_once_hash_payloads(uint64_t hash, const normd_once_piece *payloads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash = XXH3_64bits_withSeed(payloads[i].data, payloads[i].size, hash);
    }
    return hash;
}

uint64_t normd_once_hash(
    const void *body, size_t body_size, const normd_once_piece *payloads, size_t count)
{
    return normd_once_hash_payloads(normd_once_hash_body(body, body_size, count), payloads, count);
}
