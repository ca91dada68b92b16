// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_DURABLE_LEDGER_H
#define NORMD_DAEMON_DURABLE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/*
 * What clients have had applied. A mutation with `client` and `seq` has a row here from its
 * admission on; the row of one that was applied keeps the answer, so that a retry is answered and
 * not applied again. Rows are kept of the newest NORMD_LEDGER_WINDOW numbers of each client.
 *
 * Of one client, `last` is the highest number that was applied or is under way. The next one is
 * last + 1, so that mutations may be sent one behind the other without waiting. One that fails
 * leaves its number free: `last` falls back when it was the highest; else a hole stays, whose
 * number may be used as long as it is within the window.
 *
 * All functions may be called by any thread, but for those of the store, see below: there is one
 * mutex, held for a few look-ups at a time.
 */
typedef struct normd_ledger normd_ledger;

/* An answer of NORMD_LEDGER_SMALL bytes, as forward and backward keep (their version), is small
   beside its row. */
enum { NORMD_LEDGER_WINDOW = 64, NORMD_LEDGER_CLIENT_BYTES = 128, NORMD_LEDGER_SMALL = 8 };

struct normd_request;
struct normd_ledger_client;

/* What is kept of an applied mutation. */
typedef struct normd_ledger_answer {
    uint64_t hash;      /* of the body, see once_hash.h */
    uint32_t method;    /* normd_method_id */
    uint64_t session;   /* id of the session; 0: none */
    uint64_t step;      /* forward, backward: which step; the array of the answer is made again from
                           it; else 0 */
    const void *result; /* the encoded result (MessagePack), without the array of forward and
                           backward */
    size_t result_size; /* 0: it was too large to keep, or had to make room. It was applied, but
                           what it answered is not known any more */
} normd_ledger_answer;

/* (client, seq). Who holds a reference may read the fields of the first part. */
typedef struct normd_ledger_row {
    uint64_t seq;
    size_t client_length; /* of `client`, which is not terminated */

    /* The ledger's own. */
    struct normd_ledger_client *owner; /* whose window has it; NULL: none any more */
    size_t references;                 /* of the client's window, of who applies it, of holders */
    bool applied;
    normd_ledger_answer answer; /* when applied */
    bool counted;               /* its answer counts: it is in the list of those, linked by these */
    struct normd_ledger_row *prev, *next;
    struct normd_request *waiters; /* in the order of their coming, linked by `next` */
    struct normd_request *last_waiter;

    char client[];
} normd_ledger_row;

typedef enum normd_ledger_outcome {
    NORMD_LEDGER_APPLY, /* the caller applies it, then settles or fails the row */
    NORMD_LEDGER_WAIT,  /* it is under way: the request was put into the row's list of waiters and
                           belongs to it; who settles or fails the row gets it. */
    NORMD_LEDGER_AGAIN, /* it was applied: the row has the answer */
} normd_ledger_outcome;

typedef struct normd_ledger_limits {
    size_t clients;          /* at least 1. When there is no room for another one, the client that
                                was not seen for longest is forgotten, if that is at least
                                `forget_seconds` and it has nothing under way */
    uint64_t forget_seconds; /* of the clock of normd_ledger_admit */
    size_t answer_bytes;     /* that all kept answers take together: beyond it, those that were
                                settled first are dropped, but not while they are held, and not
                                those of up to NORMD_LEDGER_SMALL bytes, which do not count. The
                                rows stay */
} normd_ledger_limits;

/* `next_offset`: of the member `next` (a struct normd_request *) in a request. NULL when out of
   memory. */
normd_ledger *normd_ledger_create(const normd_ledger_limits *limits, size_t next_offset);
/* No row may be under way. Rows that are still held must have been released. */
void normd_ledger_destroy(normd_ledger *ledger);

/* What is to be done with a mutation. `now_seconds` are seconds of any clock that does not go back.
   `*row`: of APPLY, until it is settled or failed; of AGAIN with a reference, to be released; of
   WAIT NULL, and the request may be on its way already when this returns, so it must not be
   touched. SEQ_GAP: over last + 1. SEQ_TOO_OLD: below the window. UNKNOWN_CLIENT: an unknown client
   begins with 1. BUSY: the number would push one out of the window that is under way, or there is
   no room for another client. INTERNAL: out of memory. */
normd_status normd_ledger_admit(normd_ledger *ledger, const char *client, size_t length,
    uint64_t seq, uint64_t now_seconds, struct normd_request *request,
    normd_ledger_outcome *outcome, normd_ledger_row **row, normd_error *error);

/* The mutation of an APPLY row was applied and committed. Copies the answer. Gives the caller's
   hold of the row back, and returns the waiters in the order of their coming (NULL: none): each
   holds a reference to the row and is to be answered as with AGAIN. */
struct normd_request *normd_ledger_settle(
    normd_ledger *ledger, normd_ledger_row *row, const normd_ledger_answer *answer);

/* The mutation of an APPLY row was not applied: its number is free again. The row is gone for the
   caller. Returns the waiters in the order of their coming (NULL: none), without references: each
   is to be admitted anew, in this order. The first is then normally the one that is applied, and
   the others wait for it; a number that has become a gap is answered SEQ_GAP. */
struct normd_request *normd_ledger_fail(normd_ledger *ledger, normd_ledger_row *row);

/* Of a row that was applied. The same, and at the same place, as long as the row is held. */
const normd_ledger_answer *normd_ledger_row_answer(const normd_ledger_row *row);
/* Gives a reference back. */
void normd_ledger_release(normd_ledger *ledger, normd_ledger_row *row);

/* The highest number of that client that was applied; what is under way does not count. 0: none, or
   the client is not known. */
uint64_t normd_ledger_last(normd_ledger *ledger, const char *client, size_t length);

/* Clients that are known, and the bytes that they, their rows and their answers take. */
void normd_ledger_count(normd_ledger *ledger, size_t *clients, size_t *bytes);

/*
 * ---- For the store ----
 *
 * Called by one thread at a time: by recovery before anything is admitted, later by the committer.
 * What is settled between take_changes and encode is encoded, too; so the thread that settles rows
 * is the one that makes checkpoints. A row must have been settled before a checkpoint drops the
 * record that carries it.
 */

/* A row that a record of the journal carries; in the order of the records, behind the clients of
   the base. One that is older than the window is ignored, and so is one that is there already. A
   record of seq 1 that is another one than what is there begins the client anew: it was forgotten
   and came again before a checkpoint could say so. `clients_max` does not count here. BAD_ARGUMENT:
   the name or the number is out of range; INTERNAL: out of memory. */
normd_status normd_ledger_restore(normd_ledger *ledger, const char *client, size_t length,
    uint64_t seq, uint64_t now_seconds, const normd_ledger_answer *answer, normd_error *error);

/* Calls `visit` with the answer of each applied number whose row is kept. It may not call the
   ledger. Ends with the first status that is not OK, which it returns. */
normd_status normd_ledger_each(normd_ledger *ledger,
    normd_status (*visit)(void *context, const char *client, size_t length, uint64_t seq,
        const normd_ledger_answer *answer, normd_error *error),
    void *context, normd_error *error);

/* A client's applied rows as one value for the base; to be freed with free(). `*bytes` is NULL when
   there is nothing to keep: the client was forgotten, or never had anything applied, and its value
   is to be deleted if there is one. INTERNAL: out of memory. */
normd_status normd_ledger_encode(normd_ledger *ledger, const char *client, size_t length,
    void **bytes, size_t *size, normd_error *error);
/* And back. The bytes may be anything: BAD_ARGUMENT when they are no such value, or when the client
   is known already; the ledger is then as it was. INTERNAL: out of memory. Its answers count as
   settled now, in the order of their numbers. */
normd_status normd_ledger_decode(normd_ledger *ledger, const char *client, size_t length,
    const void *bytes, size_t size, uint64_t now_seconds, normd_error *error);

/* Calls `visit` with each client that has changed (or was forgotten) since the last call, without
   holding the mutex: it may encode. Ends with the first status that is not OK, which it returns.
   The call says at the same time that the last checkpoint has succeeded, unless
   normd_ledger_keep_changes was called since. A client whose answers were dropped has changed. */
normd_status normd_ledger_take_changes(normd_ledger *ledger,
    normd_status (*visit)(void *context, const char *client, size_t length, normd_error *error),
    void *context, normd_error *error);
/* The checkpoint failed: all that was taken counts as changed again. */
void normd_ledger_keep_changes(normd_ledger *ledger);

#endif
