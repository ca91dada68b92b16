// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_SESSION_MAP_H
#define NORMD_DAEMON_SESSION_MAP_H

#include <stdbool.h>
#include <stddef.h>

/* Out of memory must not end the process; normd_session_map_claim looks. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/durable/durable_session.h"
#include "daemon/session_queue.h"
#include "lib/session/session.h"

/*
 * A name and what belongs to it. An entry is there before its session (session.create waits in its
 * queue, and requests that came behind it wait, too) and after it (deleted, but requests that came
 * before are not done). It goes with its last reference; the map's own reference stays while the
 * entry is listed, and an entry without session and requests is not listed any more.
 *
 * References, `listed` and `expiring` belong to the loop thread. `session` changes on the loop
 * while no turn of the queue runs, or in the turn of the entry's last request; so both may read it.
 */
typedef struct normd_session_entry {
    UT_hash_handle hh;
    size_t references;
    bool listed;
    bool expiring; /* a request of expiry.h is on its way */
    normd_session *session;
    normd_durable_session *durable; /* its counterpart; NULL: it is in memory only */
    uint64_t id;                    /* of that session; never used again */
    normd_session_queue queue;
    size_t name_length;
    char name[];
} normd_session_entry;

typedef struct normd_session_map {
    normd_session_entry *entries;
    bool sorted;     /* the entries are in the order of their names */
    size_t sessions; /* entries with a session */
    uint64_t last_id;
    normd_pool *pool;
    const normd_session_queue_work *work;
} normd_session_map;

enum { NORMD_SESSION_NAME_BYTES = 256 };

/* `pool` and `work` serve the queues of the entries. */
void normd_session_map_init(
    normd_session_map *map, normd_pool *pool, const normd_session_queue_work *work);
/* Destroys every session. No request may hold an entry any more. */
void normd_session_map_clear(normd_session_map *map);

/* The entry of that name with one more reference, or NULL. */
normd_session_entry *normd_session_map_find(
    normd_session_map *map, const char *name, size_t length);
/* The same; a new entry without session when there is none. NULL when out of memory. */
normd_session_entry *normd_session_map_claim(
    normd_session_map *map, const char *name, size_t length);
/* Takes the name out of the map; who holds the entry keeps it. */
void normd_session_map_unlist(normd_session_map *map, normd_session_entry *entry);
/* Gives a reference back. */
void normd_session_map_release(normd_session_map *map, normd_session_entry *entry);

/* Gives the entry its session with its counterpart (or NULL; takes both), in the place of one that
   may be there; or takes it away, with NULL for both. No turn of its queue may run. */
void normd_session_map_put(normd_session_map *map, normd_session_entry *entry,
    normd_session *session, normd_durable_session *durable);

/* The state that readers are to see: what is committed, the newest where all is in memory. A new
   reference; the entry must have a session. Any thread that may read the entry. */
normd_snapshot *normd_session_map_snapshot(const normd_session_entry *entry);

/* The entries in the order of their names' bytes, linked by hh.next. */
const normd_session_entry *normd_session_map_sorted(normd_session_map *map);

/* Destroys a session that nobody can reach any more, as a job of the pool: giving back gigabytes
   takes longer than the loop may wait. */
void normd_session_map_retire(normd_session_map *map, normd_session *session);

/* Entries in the map that have a session. */
size_t normd_session_map_count(const normd_session_map *map);

#endif
