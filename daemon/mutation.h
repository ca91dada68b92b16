// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_MUTATION_H
#define NORMD_DAEMON_MUTATION_H

#include <stdint.h>

#include "daemon/durable/kept_list.h"
#include "lib/memory/buffer.h"
#include "lib/session/image.h"

struct normd_request;

/*
 * What a request that changed a session brings to the committer: the state that it left, taken in
 * the session's turn. Part of the request, in which the changed session and the batch are.
 */
typedef enum normd_mutation_kind {
    NORMD_MUTATION_NONE,   /* nothing to commit */
    NORMD_MUTATION_MAKE,   /* request->made is to be a session */
    NORMD_MUTATION_CHANGE, /* of the entry's session */
    NORMD_MUTATION_DELETE, /* of the entry's session */
    NORMD_MUTATION_KEPT,   /* only the kept steps changed: nothing to write */
} normd_mutation_kind;

typedef struct normd_mutation {
    normd_mutation_kind kind;
    unsigned epoch;                     /* of the state that it was done on */
    uint64_t ticket;                    /* its place among those of its session; 0: none */
    normd_image *before;                /* what it goes back to when it cannot be handed over */
    normd_image *image;                 /* afterwards; NULL of DELETE */
    normd_kept_list *kept;              /* afterwards, or NULL: as before */
    normd_tensor dy;                    /* of backward, as it came, when it may be written down */
    bool repeatable;                    /* of forward */
    uint64_t step;                      /* of forward and backward */
    uint64_t version;                   /* of forward and backward: that was answered */
    double loss;                        /* of train */
    uint64_t nanoseconds;               /* that it took, as doing it again will */
    struct normd_request *next;         /* in one record */
    struct normd_durable_session *made; /* of MAKE, once it is committed; a reference */
} normd_mutation;

/* Before the request runs in its session's turn: goes back to the committed state when a commit
   failed, and keeps what running uses up. Errors: STORE_FAILED, INTERNAL. */
normd_status normd_mutation_begin(struct normd_request *request, normd_error *error);

/* After it ran: takes the state. INTERNAL: then the session is as it was before. */
normd_status normd_mutation_end(struct normd_request *request, normd_error *error);

/* After a run that changed the session, but whose answer could not be written: the session is as it
   was before. */
void normd_mutation_undo(struct normd_request *request);

/* Whether the session should wait for this one's commit before it goes on: every state that is not
   committed yet takes memory, and a slow disk must not let them grow without end. */
bool normd_mutation_is_far_ahead(const struct normd_request *request);

/* Releases what it holds. */
void normd_mutation_clear(normd_mutation *mutation);

/* Bytes of the batch, of what may be written down. */
size_t normd_mutation_batch_bytes(const struct normd_request *request);

#endif
