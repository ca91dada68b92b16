// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_MEMORY_PAGES_H
#define NORMD_MEMORY_PAGES_H

#include <stddef.h>

/*
 * Memory straight from the system, in huge pages as far as they fit: the first touch of a batch
 * costs a fifth, and a walk over it misses fewer addresses. What is given back is the system's
 * again at once, which malloc does not promise. Any thread.
 */

/* A huge page of x86-64, and of aarch64 with its usual pages. */
enum { NORMD_HUGE_PAGE = 2 << 20 };

/* `size` bytes, zero, aligned to NORMD_HUGE_PAGE; `size` is a multiple of the system's page. Not
   more than `size` bytes ever become resident: the end that fills no huge page has small ones.
   NULL when out of memory. A system without huge pages gives small ones. */
void *normd_pages_take(size_t size);
/* Gives back all `size` bytes that normd_pages_take gave. */
void normd_pages_give(void *pages, size_t size);

#endif
