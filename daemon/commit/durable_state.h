// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_COMMIT_DURABLE_STATE_H
#define NORMD_DAEMON_COMMIT_DURABLE_STATE_H

#include <pthread.h>
#include <time.h>

#include "daemon/durable.h"
#include "daemon/durable/record.h"

/* The inside of normd_durable, which its files share. */

/* A record of the group that is being put together. */
typedef struct normd_group_record {
    normd_durable_session *session; /* NULL of one that is being made */
    normd_record_kind kind;
    uint64_t order;
    struct normd_request *first, *last; /* linked by mutation.next */
    normd_image *from;                  /* a STATE's changes count from there; NULL: from nothing */
    size_t pieces;                      /* of the writer, up to the end of this one */
} normd_group_record;

/* All that is written together. Its memory is used again. */
typedef struct normd_group {
    normd_group_record *record;
    size_t records, capacity;
    normd_record_writer writer;
    normd_store_bytes *piece;
    size_t piece_capacity;
    normd_store_record *out;
    size_t out_capacity;
    struct normd_request *passed; /* nothing to write for them; linked by mutation.next */
    struct normd_request *refused;
} normd_group;

/* What a checkpoint writes of one session. */
typedef struct normd_checkpoint_row {
    normd_durable_session *session; /* a reference */
    normd_image *image;             /* NULL: deleted */
    normd_kept_list *kept;
    uint64_t order;
} normd_checkpoint_row;

/* And of one client. */
typedef struct normd_checkpoint_client {
    char key[NORMD_LEDGER_CLIENT_BYTES + 1]; /* a byte behind it: no key begins another */
    size_t key_size;
    void *bytes; /* NULL: deleted */
    size_t size;
} normd_checkpoint_client;

/* Its thread first brings the journal to the disk; then the committer seals it and takes what
   changed; then another thread writes that. */
typedef struct normd_checkpoint {
    struct normd_durable *durable;
    pthread_t thread;
    bool sealed;
    normd_checkpoint_row *row;
    size_t rows;
    normd_checkpoint_client *client;
    size_t clients, client_capacity;
    uint64_t segment;
    uint64_t last_id;
    uint64_t replay_nanoseconds; /* that it saves */
    struct normd_request *saves; /* wait for it; linked by next */
    normd_status status;
    normd_error error;
} normd_checkpoint;

struct normd_durable {
    normd_durable_options options;
    normd_store *store;
    const normd_engine *engine;

    pthread_t committer;
    bool started;
    pthread_mutex_t lock; /* of the five below */
    pthread_cond_t wake;
    struct normd_request *first, *last; /* wait to be committed, linked by next */
    struct normd_request *saves;
    bool closing;
    normd_checkpoint *finished; /* to be taken up by the committer */
    normd_durable_figures figures;

    /* The committer's, and the recovery's before it. */
    uint64_t last_id;
    normd_group group;
    struct normd_request *early;  /* came before others of their sessions; linked by next */
    normd_durable_session *dirty; /* linked by next_dirty */
    size_t dirty_count;
    uint64_t replay_nanoseconds; /* of the requests in the journal */
    bool begins_anew;            /* the base is to say with what numerics it goes on */
    normd_checkpoint *running;
    struct timespec retry;            /* no checkpoint before, after one failed */
    bool failing, checkpoint_failing; /* the last one did; to say so once */
};

/* ---- group.c: what is to be written ---- */

/* Sorts the requests, linked by next, into records, and encodes them. False when memory ran out:
   then everything is to be refused. */
bool normd_group_build(normd_durable *durable, struct normd_request *first);
/* After it was written, or not: takes its sessions to their new states, or marks them. Ends the
   group but for the requests in it. */
void normd_group_commit(normd_durable *durable);
void normd_group_abandon(normd_durable *durable);
/* Whether the request was done on a state that is not to be. */
bool normd_group_is_stale(const struct normd_request *request);
void normd_group_free(normd_group *group);

/* ---- encode.c ---- */
/* Puts a record of the group into its writer. False when memory ran out. */
bool normd_group_encode(normd_durable *durable, normd_group_record *record);

/* ---- commit.c ---- */

/* Writes one group of requests and lets them go. */
void normd_durable_commit(normd_durable *durable, struct normd_request *first);

/* ---- checkpoint.c ---- */

void normd_durable_mark_dirty(normd_durable *durable, normd_durable_session *session);
void normd_durable_clear_dirty(normd_durable *durable, normd_durable_session *session);
/* Whether one should be written, and whether now. */
bool normd_checkpoint_is_wanted(const normd_durable *durable);
bool normd_checkpoint_is_due(const normd_durable *durable);
/* Begins one, for `saves`, too (linked by next, may be NULL). */
void normd_checkpoint_start(normd_durable *durable, struct normd_request *saves);
/* Joins the thread of the one that runs and goes on from there, to its end or to another thread. */
void normd_checkpoint_go_on(normd_durable *durable);

/* ---- checkpoint_write.c ---- */

/* Writes the rows and commits; the checkpoint's status tells. */
void normd_checkpoint_write(normd_durable *durable, normd_checkpoint *checkpoint);

/* What the numbers of this process depend on, beside what normd itself fixes. */
const char *normd_durable_numerics(char *text, size_t size);

#endif
