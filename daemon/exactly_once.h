// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_EXACTLY_ONCE_H
#define NORMD_DAEMON_EXACTLY_ONCE_H

#include "daemon/durable/ledger.h"
#include "daemon/durable/once_hash.h"
#include "protocol/call.h"

struct normd_record_once;
struct normd_request;

/*
 * A request that says `client` and `seq`, on its way: part of the request. Whoever has the request
 * may call these, but where a thread is named.
 */
enum { NORMD_ONCE_PAYLOADS = 6, NORMD_ONCE_RESULT_BYTES = 1 << 20 };

typedef struct normd_exactly_once {
    bool asked;
    char *client; /* not terminated beyond client_length */
    size_t client_length;
    uint64_t seq;
    normd_ledger_row
        *row; /* that this request is to apply, or, with `again`, that has its answer */
    bool again;
    uint64_t hash; /* of the body, the payloads below not yet counted in */
    normd_once_piece payload[NORMD_ONCE_PAYLOADS];
    size_t payloads;
    uint8_t version[8];            /* what is kept of the answers of forward and backward */
    struct normd_request *waiters; /* the same mutations, which this one's end lets go on */
    normd_ledger_row *waiters_row; /* has their answer; NULL: they are to be admitted anew */
} normd_exactly_once;

/* Notes what the call says, before its fields are moved. False when out of memory. Loop thread. */
bool normd_once_note(
    struct normd_request *request, const normd_message *message, const normd_call *call);

/* What the journal and the ledger keep of the answer, which is made. */
void normd_once_answer(struct normd_request *request, normd_ledger_answer *answer);
void normd_once_record(struct normd_request *request, struct normd_record_once *once);

/* The run is over, and committed if there is a store: tells the ledger, and takes its waiters. */
void normd_once_end(struct normd_request *request);

/* Reads the payloads, before the run moves or changes them. */
void normd_once_finish_hash(struct normd_request *request);

/* Whether the answer that is known is one to this body: SEQ_REUSED. */
normd_status normd_once_check(struct normd_request *request, normd_error *error);

/* Writes the known answer; of forward and backward its handler does. */
normd_status normd_once_repeat(struct normd_request *request, normd_error *error);
/* The version in the known answer of forward and backward. */
uint64_t normd_once_version(const struct normd_request *request);

/* Gives back what it holds. */
void normd_once_clear(struct normd_request *request);

#endif
