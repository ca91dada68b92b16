// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MEMORY_CACHE_SIZES_H
#define NORMD_MEMORY_CACHE_SIZES_H

#include <stddef.h>

/*
 * Sizes in bytes of the caches that hold data, as one core sees them. They decide how fast a loop
 * is, never what it gives: results must not depend on them.
 */
typedef struct normd_cache_sizes {
    size_t second; /* a core's own */
    size_t last;   /* shared by the cores around it; `second` or more */
} normd_cache_sizes;

/* Reads what the processor says of itself, and what the C library knows where it says nothing;
   1 MiB and 8 MiB where nobody knows. To be called once, and kept. Any thread. */
normd_cache_sizes normd_cache_sizes_read(void);

#endif
