// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "daemon/commit/recovery.h"
#include "protocol/methods.h"

/*
 * What must hold of a whole store, when rows and records have been read. Each byte had its checksum
 * by then, so what is wrong here was written wrongly, or put together from several stores.
 */

#define GO_ON "; restore the directory from a copy made with normctl save"

/* Steps are numbered from the start of the store that they were made in. */
static bool is_step_of(const normd_durable *durable, uint64_t step)
{
    return step >> 32 < normd_store_epoch(durable->store);
}

static normd_status check_answer(void *context, const char *client, size_t length, uint64_t seq,
    const normd_ledger_answer *answer, normd_error *error)
{
    const normd_durable *durable = ((const normd_recovery *)context)->durable;
    bool known = answer->method < NORMD_METHOD_COUNT &&
                 normd_method_get((normd_method_id)answer->method)->mutates;
    bool has_step =
        answer->method == NORMD_METHOD_FORWARD || answer->method == NORMD_METHOD_BACKWARD;
    bool possible = has_step ? answer->session >= 1 && answer->session <= durable->last_id &&
                                   answer->step >= 1 && is_step_of(durable, answer->step)
                             : answer->step == 0;
    if (known && possible) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_STORE_FAILED,
        "client \"%.*s\": the answer of its number %" PRIu64
        " is damaged: expected a mutation that there can have been, got method %" PRIu32
        ", session %" PRIu64 ", step %" PRIu64 GO_ON,
        (int)length, client, seq, answer->method, answer->session, answer->step);
}

static normd_status check_session(
    const normd_recovery *recovery, const normd_recovered *session, normd_error *error)
{
    if (session->id <= recovery->durable->last_id && session->order >= 1 &&
        is_step_of(recovery->durable, session->last_step)) {
        return NORMD_OK;
    }
    return normd_error_set(error, NORMD_STORE_FAILED,
        "session \"%s\" is damaged: expected an id of 1 to %" PRIu64 ", a record of it, and a last "
        "step of at most %" PRIu64 " starts, got id %" PRIu64 ", %" PRIu64
        " records, step %" PRIu64 GO_ON,
        session->name, recovery->durable->last_id, normd_store_epoch(recovery->durable->store),
        session->id, session->order, session->last_step);
}

/* Each session, and that no two have one name. */
static normd_status check_sessions(normd_recovery *recovery, normd_error *error)
{
    normd_recovered *named = NULL;
    normd_status status = NORMD_OK;
    for (normd_recovered *session = recovery->sessions; session != NULL && status == NORMD_OK;
         session = session->hh.next) {
        normd_recovered *other = NULL;
        status = check_session(recovery, session, error);
        HASH_FIND(by_name, named, session->name, session->name_length, other);
        if (status == NORMD_OK && other != NULL) {
            status = normd_error_set(error, NORMD_STORE_FAILED,
                "sessions %" PRIu64 " and %" PRIu64 " are damaged: both have the name \"%s\"" GO_ON,
                other->id, session->id, session->name);
        } else if (status == NORMD_OK) {
            HASH_ADD_KEYPTR(by_name, named, session->name, session->name_length, session);
            status = session->by_name.tbl != NULL ? NORMD_OK : normd_error_no_memory(error);
        }
    }
    HASH_CLEAR(by_name, named);
    return status;
}

normd_status normd_recovery_check_whole(normd_recovery *recovery, normd_error *error)
{
    normd_status status = check_sessions(recovery, error);
    return status == NORMD_OK
               ? normd_ledger_each(recovery->durable->options.ledger, check_answer, recovery, error)
               : status;
}
