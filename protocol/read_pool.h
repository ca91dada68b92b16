// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_PROTOCOL_READ_POOL_H
#define NORMD_PROTOCOL_READ_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { NORMD_READ_BYTES = 64 * 1024, NORMD_READ_BUFFERS_KEPT = 16 };

/* Where bytes are read to before a message is made of them. */
typedef struct normd_read_buffer {
    struct normd_read_buffer *next; /* of the pool's */
    uint8_t bytes[NORMD_READ_BYTES];
} normd_read_buffer;

/* The unused read buffers of one thread; all zero at first. An assembler needs one only while it
   has bytes to scan, so the connections of a loop read to the same memory in turn, which stays in
   the cache and is not paid for by idle ones. */
typedef struct normd_read_pool {
    normd_read_buffer *free;
    size_t count;
} normd_read_pool;

/* The buffer given back last; NULL when out of memory. */
normd_read_buffer *normd_read_pool_take(normd_read_pool *pool);
/* `buffer` may be NULL. */
void normd_read_pool_give(normd_read_pool *pool, normd_read_buffer *buffer);
void normd_read_pool_clear(normd_read_pool *pool);

#endif
