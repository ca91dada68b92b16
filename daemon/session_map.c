// SPDX-License-Identifier: Apache-2.0
#include "daemon/session_map.h"

#include <stdlib.h>
#include <string.h>

void normd_session_map_init(
    normd_session_map *map, normd_pool *pool, const normd_session_queue_work *work)
{
    *map = (normd_session_map){.pool = pool, .work = work};
}

static normd_session_entry *lookup(normd_session_map *map, const char *name, size_t length)
{
    normd_session_entry *entry = NULL;
    HASH_FIND(hh, map->entries, name, length, entry);
    return entry;
}

normd_session_entry *normd_session_map_find(normd_session_map *map, const char *name, size_t length)
{
    normd_session_entry *entry = lookup(map, name, length);
    if (entry != NULL) {
        entry->references++;
    }
    return entry;
}

static void free_entry(normd_session_entry *entry)
{
    normd_session_destroy(entry->session);
    normd_durable_session_release(entry->durable);
    normd_session_queue_destroy(&entry->queue);
    free(entry);
}

normd_session_entry *normd_session_map_claim(
    normd_session_map *map, const char *name, size_t length)
{
    normd_session_entry *entry = lookup(map, name, length);
    if (entry == NULL) {
        entry = calloc(1, sizeof *entry + length + 1);
        if (entry == NULL) {
            return NULL;
        }
        memcpy(entry->name, name, length);
        entry->name_length = length;
        normd_session_queue_init(&entry->queue, map->pool, map->work);
        entry->listed = true;
        entry->references = 1;
        HASH_ADD_KEYPTR(hh, map->entries, entry->name, length, entry);
        if (entry->hh.tbl == NULL) {
            free_entry(entry);
            return NULL;
        }
        map->sorted = false;
    }
    entry->references++;
    return entry;
}

void normd_session_map_unlist(normd_session_map *map, normd_session_entry *entry)
{
    if (!entry->listed) {
        return;
    }
    entry->listed = false;
    map->sessions -= entry->session != NULL;
    HASH_DEL(map->entries, entry);
    entry->references--;
    if (entry->references == 0) {
        free_entry(entry);
    }
}

void normd_session_map_release(normd_session_map *map, normd_session_entry *entry)
{
    entry->references--;
    if (entry->references == 0) {
        free_entry(entry);
    } else if (entry->references == 1 && entry->listed && entry->session == NULL) {
        normd_session_map_unlist(map, entry);
    }
}

void normd_session_map_put(normd_session_map *map, normd_session_entry *entry,
    normd_session *session, normd_durable_session *durable)
{
    normd_session *there = entry->session;
    normd_durable_session_release(entry->durable);
    entry->session = session;
    entry->durable = durable;
    entry->id = durable != NULL ? durable->id : ++map->last_id;
    if (entry->listed) {
        map->sessions += session != NULL;
        map->sessions -= there != NULL;
    }
    if (there != NULL) {
        /* Its name is free, and so is its place, when this is answered. */
        normd_session_unreserve(there);
        normd_session_map_retire(map, there);
    }
}

normd_snapshot *normd_session_map_snapshot(const normd_session_entry *entry)
{
    return entry->durable != NULL ? normd_durable_session_snapshot(entry->durable)
                                  : normd_session_snapshot(entry->session);
}

static int by_name(const normd_session_entry *a, const normd_session_entry *b)
{
    return strcmp(a->name, b->name);
}

const normd_session_entry *normd_session_map_sorted(normd_session_map *map)
{
    if (!map->sorted) {
        HASH_SORT(map->entries, by_name);
        map->sorted = true;
    }
    return map->entries;
}

typedef struct retirement {
    normd_job job;
    normd_session *session;
} retirement;

static void retire(normd_job *job)
{
    retirement *old = (retirement *)((char *)job - offsetof(retirement, job));
    normd_session_destroy(old->session);
    free(old);
}

void normd_session_map_retire(normd_session_map *map, normd_session *session)
{
    retirement *old = malloc(sizeof *old);
    if (old == NULL) {
        normd_session_destroy(session);
        return;
    }
    *old = (retirement){.job = {.run = retire}, .session = session};
    normd_pool_submit(map->pool, &old->job, NORMD_LANE_TRAIN);
}

void normd_session_map_clear(normd_session_map *map)
{
    normd_session_entry *entry;
    normd_session_entry *next;
    HASH_ITER(hh, map->entries, entry, next)
    {
        normd_session_map_unlist(map, entry);
    }
}

size_t normd_session_map_count(const normd_session_map *map)
{
    return map->sessions;
}
