// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_SESSION_SLAB_H
#define NORMD_SESSION_SLAB_H

#include <stdatomic.h>
#include <stddef.h>

#include "lib/base/array.h"

/*
 * Slabs: pieces of memory of one size that are published to readers and counted. A shelf hands them
 * out and keeps a few that came back, so that a steady state allocates nothing. It lives as long as
 * its owner or any slab. All functions may be called from any thread.
 */
typedef struct normd_slab_shelf normd_slab_shelf;

typedef struct normd_slab {
    _Alignas(NORMD_ALIGNMENT) atomic_size_t references;
    normd_slab_shelf *shelf;
    struct normd_slab *next; /* the shelf's, while it lies there */
    /* `bytes` of the shelf follow, on a cache line of their own. */
} normd_slab;

/* The slab's memory, aligned to NORMD_ALIGNMENT. */
static inline char *normd_slab_data(normd_slab *slab)
{
    return (char *)slab + sizeof(normd_slab);
}

/* NULL when out of memory. */
normd_slab_shelf *normd_slab_shelf_create(size_t bytes);
/* Adds what its slabs take to a total, too, which must outlive them. Before the first slab is
 * taken.
 */
void normd_slab_shelf_count_in(normd_slab_shelf *shelf, atomic_size_t *total);
/* Gives up the owner's hold. NULL is let pass. */
void normd_slab_shelf_release(normd_slab_shelf *shelf);
/* Bytes of all its slabs, in use or not. */
size_t normd_slab_shelf_bytes(normd_slab_shelf *shelf);

/* A slab with one reference; zeros when it is new, else what its last user left. NULL when out of
   memory. */
normd_slab *normd_slab_take(normd_slab_shelf *shelf);
/* One that begins with a copy of the first `bytes` of another. */
normd_slab *normd_slab_copy(normd_slab_shelf *shelf, normd_slab *slab, size_t bytes);
normd_slab *normd_slab_retain(normd_slab *slab);
/* NULL is let pass. */
void normd_slab_release(normd_slab *slab);

#endif
