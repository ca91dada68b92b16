// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_DURABLE_SESSION_H
#define NORMD_DAEMON_DURABLE_DURABLE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/durable/kept_list.h"
#include "lib/session/image.h"

/*
 * What durability knows of one session, from the commit that made it to its deletion. Counted: the
 * session's entry, the committer and a checkpoint under way hold it.
 */
typedef struct normd_chunk_hashes {
    uint64_t *hash; /* of each chunk that the base has */
    size_t count;
} normd_chunk_hashes;

typedef struct normd_durable_session {
    atomic_size_t references;
    uint64_t id; /* never used again by another session */
    char *name;
    size_t name_length;

    pthread_mutex_t lock; /* of `image` for readers; the committer replaces it */
    normd_image *image;   /* the last committed state */
    /* Counts the commits that failed. What ran before the last of them is not committed either, and
       the next turn begins with going back to `image`, which stays until then. */
    atomic_uint epoch;
    unsigned running_epoch; /* of the state that the turns work on; theirs */
    uint64_t tickets;       /* that they gave to mutations; theirs */
    _Atomic uint64_t ended; /* of these, so many are committed or refused */

    /* The committer's from here on. */
    uint64_t taken; /* the last ticket that came up */
    uint64_t order; /* of the last record */
    normd_kept_list *kept;
    uint64_t *replayable; /* the steps whose forward a recovery does again, in rising order */
    size_t replayable_count, replayable_capacity;
    bool dirty; /* in the list: has changed since the base was written */
    bool deleted;
    struct normd_durable_session *next_dirty, *previous_dirty;
    /* Of the group that is being put together: */
    bool in_group;
    normd_image *group_image;    /* its newest state there; not counted */
    normd_kept_list *group_kept; /* likewise, or NULL */
    uint64_t group_order;
    size_t group_record;     /* its newest record there */
    size_t group_replayable; /* how many there were before */

    /* Of whoever writes the checkpoint: what the base holds. */
    normd_chunk_hashes base[NORMD_IMAGE_PARTS];
    uint64_t base_description; /* a hash; 0: none yet */
} normd_durable_session;

/* With one reference; `image` (taken) is its first state. NULL when out of memory. */
normd_durable_session *normd_durable_session_create(
    uint64_t id, const char *name, size_t name_length, normd_image *image);
normd_durable_session *normd_durable_session_retain(normd_durable_session *session);
void normd_durable_session_release(normd_durable_session *session); /* NULL is let pass */

/* The committed state as readers see it, a new reference. Any thread. */
normd_snapshot *normd_durable_session_snapshot(normd_durable_session *session);
/* The committed image, a new reference. Any thread. */
normd_image *normd_durable_session_image(normd_durable_session *session);
/* Takes the image. The committer. */
void normd_durable_session_commit(normd_durable_session *session, normd_image *image);

/* ---- The committer's ---- */

bool normd_durable_session_replays(const normd_durable_session *session, uint64_t step);
/* Room for so many more, so that adding cannot fail. */
bool normd_durable_session_reserve_steps(normd_durable_session *session, size_t more);
void normd_durable_session_add_step(normd_durable_session *session, uint64_t step);
/* Only steps of the kept list stay: the base holds those. */
void normd_durable_session_keep_steps(normd_durable_session *session);

#endif
