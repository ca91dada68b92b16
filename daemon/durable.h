// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_H
#define NORMD_DAEMON_DURABLE_H

#include "daemon/durable/durable_session.h"
#include "daemon/durable/ledger.h"
#include "daemon/log.h"
#include "daemon/store/store.h"

struct normd_request;

/*
 * Makes what sessions go through survive the process. Requests that changed something come here
 * between their run and their answer; one thread, the committer, writes all that wait as one group
 * and lets them go. From time to time it writes a checkpoint, on a thread of its own.
 */
typedef struct normd_durable normd_durable;

typedef struct normd_durable_options {
    const char *directory;
    normd_store_sync sync;
    bool read_only;                /* for a check; it is not started */
    uint64_t journal_bytes;        /* a checkpoint comes when the journal is longer */
    uint64_t recovery_nanoseconds; /* or when doing again what it holds would take longer */
    bool any_numerics;             /* recover also where other last bits may come out */
    const normd_log *log;
    normd_ledger *ledger;
    /* Where requests go that are committed, or failed: any thread. */
    void (*done)(void *context, struct normd_request *request);
    void *context;
} normd_durable_options;

/* A session that a recovery brought back. */
typedef struct normd_durable_found {
    normd_session *session; /* taken */
    normd_durable_session *durable;
} normd_durable_found;

/* Opens the store; before the process has threads (see store.h). STORE_FAILED. */
normd_status normd_durable_open(
    const normd_durable_options *options, normd_durable **durable, normd_error *error);

/* Brings back what the store holds; each session is given to `found` (on this thread), which takes
   it; the ledger gets its clients. STORE_FAILED: damage, or the engine's limits do not hold it. */
normd_status normd_durable_recover(normd_durable *durable, const normd_engine *engine,
    normd_status (*found)(void *context, const normd_durable_found *found, normd_error *error),
    void *context, normd_error *error);

/* Starts the committer, after the recovery. INTERNAL. */
normd_status normd_durable_start(normd_durable *durable, normd_error *error);

/* Ends it: nothing may be pushed any more. Writes a checkpoint, closes the store. NULL is let
   pass; one that was not started is only closed. */
void normd_durable_close(normd_durable *durable);

/* Hands over a request whose mutation is to be committed. Any thread. */
void normd_durable_push(normd_durable *durable, struct normd_request *request);

/* A request of server.save: a checkpoint is written, then a copy named arguments.name. Answered
   like any other, by `done`. Any thread. */
void normd_durable_save(normd_durable *durable, struct normd_request *request);

/* A copy of what the last checkpoint left, see normd_store_save. For the run of server.save. */
normd_status normd_durable_copy(normd_durable *durable, const char *name, char *path,
    size_t path_size, uint64_t *bytes, normd_error *error);

/* Figures for server.info. Any thread. */
typedef struct normd_durable_figures {
    uint64_t commits, groups, failed_groups, checkpoints, failed_checkpoints, journal_bytes;
    uint64_t starts; /* of the store, this one counted if it is one */
    uint64_t recovered_rows, recovered_row_bytes;
    uint64_t recovered_records, recovered_record_bytes;
    uint64_t recovered_again; /* requests that were done again */
    uint64_t recovered_cut_bytes;
    double recovery_seconds;
} normd_durable_figures;
void normd_durable_read_figures(normd_durable *durable, normd_durable_figures *figures);

#endif
