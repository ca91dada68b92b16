// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_MEMORY_H
#define NORMD_DAEMON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The budget of --max-memory: bytes of the batches of all requests in flight and of their answers,
   from the first byte read until the answer was sent. Loop thread only. */
typedef struct normd_memory {
    uint64_t limit;
    uint64_t used;
} normd_memory;

/* False when the budget does not hold `size` more bytes; nothing is charged then. */
static inline bool normd_memory_charge(normd_memory *memory, size_t size)
{
    if (memory->used > memory->limit || size > memory->limit - memory->used) {
        return false;
    }
    memory->used += size;
    return true;
}

static inline void normd_memory_discharge(normd_memory *memory, size_t size)
{
    memory->used -= size;
}

/* What was `before` bytes is `size` bytes now, whether the budget holds them or not. */
static inline void normd_memory_change(normd_memory *memory, size_t before, size_t size)
{
    memory->used += size;
    memory->used -= before;
}

#endif
