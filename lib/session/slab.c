// SPDX-License-Identifier: Apache-2.0
#include "lib/session/slab.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_SLABS = 3 }; /* what a step needs, and room for a reader who comes back late */

struct normd_slab_shelf {
    pthread_mutex_t lock;
    size_t bytes;
    size_t slabs; /* allocated, in use or not */
    size_t free_slabs;
    bool owned;
    atomic_size_t *total; /* or NULL */
    normd_slab *free;
};

normd_slab_shelf *normd_slab_shelf_create(size_t bytes)
{
    normd_slab_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf != NULL) {
        pthread_mutex_init(&shelf->lock, NULL);
        shelf->owned = true;
        shelf->bytes = bytes;
    }
    return shelf;
}

void normd_slab_shelf_count_in(normd_slab_shelf *shelf, atomic_size_t *total)
{
    shelf->total = total;
}

static size_t slab_bytes(const normd_slab_shelf *shelf)
{
    return shelf->bytes + sizeof(normd_slab);
}

/* With the lock held, as the next. */
static void add_slab(normd_slab_shelf *shelf)
{
    shelf->slabs++;
    if (shelf->total != NULL) {
        atomic_fetch_add_explicit(shelf->total, slab_bytes(shelf), memory_order_relaxed);
    }
}

static void subtract_slab(normd_slab_shelf *shelf)
{
    shelf->slabs--;
    if (shelf->total != NULL) {
        atomic_fetch_sub_explicit(shelf->total, slab_bytes(shelf), memory_order_relaxed);
    }
}

static void shelf_destroy(normd_slab_shelf *shelf)
{
    pthread_mutex_destroy(&shelf->lock);
    free(shelf);
}

void normd_slab_shelf_release(normd_slab_shelf *shelf)
{
    if (shelf == NULL) {
        return;
    }
    pthread_mutex_lock(&shelf->lock);
    shelf->owned = false;
    while (shelf->free != NULL) {
        normd_slab *slab = shelf->free;
        shelf->free = slab->next;
        subtract_slab(shelf);
        free(slab);
    }
    bool last = shelf->slabs == 0;
    pthread_mutex_unlock(&shelf->lock);
    if (last) {
        shelf_destroy(shelf);
    }
}

size_t normd_slab_shelf_bytes(normd_slab_shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    size_t bytes = shelf->slabs * slab_bytes(shelf);
    pthread_mutex_unlock(&shelf->lock);
    return bytes;
}

static normd_slab *slab_allocate(normd_slab_shelf *shelf)
{
    size_t size = sizeof(normd_slab) + shelf->bytes;
    size_t lines = size / NORMD_ALIGNMENT + (size % NORMD_ALIGNMENT != 0);
    normd_slab *slab = aligned_alloc(NORMD_ALIGNMENT, lines * NORMD_ALIGNMENT);
    if (slab != NULL) {
        memset(slab, 0, lines * NORMD_ALIGNMENT);
        slab->shelf = shelf;
    }
    return slab;
}

normd_slab *normd_slab_take(normd_slab_shelf *shelf)
{
    pthread_mutex_lock(&shelf->lock);
    normd_slab *slab = shelf->free;
    if (slab != NULL) {
        shelf->free = slab->next;
        shelf->free_slabs--;
    } else {
        add_slab(shelf);
    }
    pthread_mutex_unlock(&shelf->lock);
    if (slab == NULL) {
        slab = slab_allocate(shelf);
    }
    if (slab == NULL) {
        pthread_mutex_lock(&shelf->lock);
        subtract_slab(shelf);
        pthread_mutex_unlock(&shelf->lock);
        return NULL;
    }
    atomic_init(&slab->references, 1);
    slab->next = NULL;
    return slab;
}

normd_slab *normd_slab_copy(normd_slab_shelf *shelf, normd_slab *slab, size_t bytes)
{
    normd_slab *copy = normd_slab_take(shelf);
    if (copy != NULL) {
        memcpy(normd_slab_data(copy), normd_slab_data(slab), bytes);
    }
    return copy;
}

normd_slab *normd_slab_retain(normd_slab *slab)
{
    atomic_fetch_add_explicit(&slab->references, 1, memory_order_relaxed);
    return slab;
}

void normd_slab_release(normd_slab *slab)
{
    if (slab == NULL ||
        atomic_fetch_sub_explicit(&slab->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    normd_slab_shelf *shelf = slab->shelf;
    pthread_mutex_lock(&shelf->lock);
    bool keep = shelf->owned && shelf->free_slabs < KEPT_SLABS;
    if (keep) {
        slab->next = shelf->free;
        shelf->free = slab;
        shelf->free_slabs++;
    } else {
        subtract_slab(shelf);
    }
    bool last = !shelf->owned && shelf->slabs == 0;
    pthread_mutex_unlock(&shelf->lock);
    if (!keep) {
        free(slab);
    }
    if (last) {
        shelf_destroy(shelf);
    }
}
