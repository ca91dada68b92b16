// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_LEDGER_STATE_H
#define NORMD_DAEMON_DURABLE_LEDGER_STATE_H

/* What a ledger is made of; for the ledger's own files. The mutex is held by whoever calls these
   functions. */

#include <pthread.h>

/* Out of memory must not end the process; make_client looks. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/durable/ledger.h"

/*
 * One client. Its rows lie at seq % NORMD_LEDGER_WINDOW: all are of the newest numbers up to
 * `last`, so no two want the same place. Every number that was applied either has its row here or
 * is `dropped` or below.
 *
 * The struct of a client that was forgotten stays, as `gone`, as long as the base has a value of
 * it.
 */
typedef struct normd_ledger_client {
    UT_hash_handle hh;
    struct normd_ledger_client *prev, *next; /* by when they were seen; not while gone */
    struct normd_ledger_client *next_taken;
    uint64_t seen;    /* seconds */
    uint64_t applied; /* the highest number that was; 0: none */
    uint64_t last;    /* the highest that was, or is under way */
    uint64_t dropped; /* the highest that was and whose row is not kept any more */
    size_t under_way;
    bool gone;
    bool stored;  /* the base may have a value of it */
    bool changed; /* since it was taken */
    bool taken;   /* by the last normd_ledger_take_changes */
    normd_ledger_row *rows[NORMD_LEDGER_WINDOW];
    size_t name_length;
    char name[];
} normd_ledger_client;

struct normd_ledger {
    pthread_mutex_t mutex;
    normd_ledger_client *table;  /* by name, those that are gone, too */
    normd_ledger_client *oldest; /* those that are not gone; a list of utlist.h */
    normd_ledger_client *taken;  /* linked by next_taken */
    size_t clients;              /* that are not gone */
    normd_ledger_limits limits;
    size_t next_offset;
    size_t bytes;
    normd_ledger_row *counted; /* whose answers count, in the order of settling; of utlist.h */
    size_t counted_bytes;
};

/* What comes from a file may be no name and no number of a client: BAD_ARGUMENT. */
normd_status normd_ledger_check_name(size_t length, normd_error *error);
normd_status normd_ledger_check_seq(uint64_t seq, normd_error *error);

/* A client that is known; NULL: none, or it was forgotten. */
normd_ledger_client *normd_ledger_client_find(
    normd_ledger *ledger, const char *name, size_t length);
/* A client that is not known becomes known, with nothing applied. NULL: out of memory. */
normd_ledger_client *normd_ledger_client_add(
    normd_ledger *ledger, const char *name, size_t length, uint64_t now_seconds);
/* It was seen now. */
void normd_ledger_client_touch(
    normd_ledger *ledger, normd_ledger_client *client, uint64_t now_seconds);
/* Forgets it. Nothing of it may be under way. */
void normd_ledger_client_forget(normd_ledger *ledger, normd_ledger_client *client);
/* Ends the struct itself. */
void normd_ledger_client_free(normd_ledger *ledger, normd_ledger_client *client);

/* The place of a number. */
normd_ledger_row **normd_ledger_client_slot(normd_ledger_client *client, uint64_t seq);
/* The number's row, or NULL. */
normd_ledger_row *normd_ledger_client_row(normd_ledger_client *client, uint64_t seq);
/* Whether the number is below the window, or may have been applied and its row dropped. */
bool normd_ledger_client_too_old(const normd_ledger_client *client, uint64_t seq);
/* Drops the applied rows that are below the window when `seq` is the last number. */
void normd_ledger_client_slide(normd_ledger *ledger, normd_ledger_client *client, uint64_t seq);
/* Finds `last` again. */
void normd_ledger_client_settle_last(normd_ledger_client *client);

/* A row of this number for the client's window, which nobody else holds. NULL: out of memory. */
normd_ledger_row *normd_ledger_row_create(
    normd_ledger *ledger, normd_ledger_client *client, uint64_t seq);
/* Copies the answer into the row, and counts it; without its result when out of memory, which it
   returns. */
bool normd_ledger_row_keep(
    normd_ledger *ledger, normd_ledger_row *row, const normd_ledger_answer *answer);
/* Gives a reference back; the last one ends it. */
void normd_ledger_row_drop(normd_ledger *ledger, normd_ledger_row *row);
/* The row is of no window any more (may be NULL): its answer counts no longer, and the window's
   reference is given back. */
void normd_ledger_row_leave(normd_ledger *ledger, normd_ledger_row *row);
/* Drops answers, first settled first, until those that are left are within the budget, or held. */
void normd_ledger_trim(normd_ledger *ledger);

#endif
