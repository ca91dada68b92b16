// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_COMMIT_RECOVERY_H
#define NORMD_DAEMON_COMMIT_RECOVERY_H

/* Out of memory must not end the process; recovered.c looks. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/commit/durable_state.h"
#include "daemon/durable/rows.h"

/* A session on its way back. Its state is in `raw`, or in `live`, or the same in both. */
typedef struct normd_recovered {
    UT_hash_handle hh, by_name; /* by_name: while it is looked for names that come twice */
    uint64_t id;
    char *name;
    size_t name_length;
    uint64_t order;
    uint64_t version, steps, last_step;
    char *description;
    size_t description_size, description_have;
    struct {
        uint8_t *data;
        size_t size, have; /* `have`: what the base has given of it */
    } raw[NORMD_IMAGE_PARTS];
    bool raw_is_newest;
    bool described_anew; /* since it is live */
    normd_session *live;
    bool dirty; /* the journal changed it */

    normd_kept_row *kept; /* of the base, until it is live */
    size_t kept_count;
    struct {
        uint8_t *data;
        size_t size, have;
    } * blob;
    size_t blobs;
    uint64_t *replayable;
    size_t replayable_count, replayable_capacity;
    normd_chunk_hashes base[NORMD_IMAGE_PARTS];
    uint64_t base_description;
} normd_recovered;

typedef struct normd_recovery {
    normd_durable *durable;
    const normd_engine *engine;
    normd_recovered *sessions; /* by id */
    bool other_numerics;
    char numerics[256]; /* that the base names */

    /* Of the record that is being read. */
    normd_record_head head;
    normd_recovered *session; /* NULL: the record is older than the base, or of none */
    bool is_new;
    bool base_is_checked;
    uint64_t records_done; /* requests that were done again */
    /* The time of all that is done again: what lasted from one request to another then may last
       longer now. */
    uint64_t now_milliseconds;
} normd_recovery;

/* Rows of the base, and after the last: what is missing. STORE_FAILED. */
normd_status normd_recovery_row(void *context, normd_store_table table, normd_store_bytes key,
    normd_store_bytes value, normd_error *error);
normd_status normd_recovery_check_base(normd_recovery *recovery, normd_error *error);

/* Once, between the rows and the records. */
normd_status normd_recovery_begin_records(normd_recovery *recovery, normd_error *error);
/* After the records: what must hold of sessions and clients together. STORE_FAILED. */
normd_status normd_recovery_check_whole(normd_recovery *recovery, normd_error *error);
/* A session that was deleted or replaced. */
void normd_recovery_forget(normd_recovery *recovery, normd_recovered *session);

/* A record of the journal. */
normd_status normd_recovery_record(void *context, normd_store_bytes record, normd_error *error);

/* Does a request again, on a live session. */
normd_status normd_recovery_replay(
    normd_recovery *recovery, const normd_record_request *request, normd_error *error);

/* ---- recovered.c ---- */
normd_recovered *normd_recovered_find(normd_recovery *recovery, uint64_t id);
normd_recovered *normd_recovered_add(
    normd_recovery *recovery, uint64_t id, const char *name, size_t length);
void normd_recovered_remove(normd_recovery *recovery, normd_recovered *session);
/* The newest state is in a session, kept steps included. */
normd_status normd_recovered_live(
    normd_recovery *recovery, normd_recovered *session, normd_error *error);
/* The newest state is in `raw`, to be changed. */
normd_status normd_recovered_raw(normd_recovered *session, normd_error *error);
/* Forgets the kept steps of the base. */
void normd_recovered_drop_kept(normd_recovered *session);
bool normd_recovered_add_step(normd_recovered *session, uint64_t step);

#endif
