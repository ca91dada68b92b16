// SPDX-License-Identifier: Apache-2.0
#ifndef NORMD_DAEMON_HANDLER_H
#define NORMD_DAEMON_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/request.h"
#include "protocol/call.h"

/*
 * What the daemon does for one method, in up to three steps. To add a method, add its row to
 * protocol/methods.h, a file in handlers/ and a row in handlers/table.c.
 */
typedef struct normd_handler {
    /* Loop thread: checks the fields and moves what it needs into the request; nothing of the call
       stays afterwards. */
    normd_status (*parse)(
        normd_request *request, normd_message *message, const normd_call *call, normd_error *error);
    /* Where the method's class says: does the work and encodes the answer. */
    normd_status (*run)(normd_request *request, normd_error *error);
    /* Of methods whose answer holds an array that is not kept, else NULL: the answer of a mutation
       that was applied already, once more. In the session's turn. */
    normd_status (*again)(
        normd_request *request, const normd_ledger_answer *known, normd_error *error);
    /* Loop thread, or NULL: changes the set of sessions after a run that did not fail, and was
       committed. */
    void (*finish)(normd_request *request);
    /* Loop thread, of serving methods, or NULL: the multiply-adds of the run; small ones run on the
       loop. */
    uint64_t (*cost)(const normd_request *request);
    /* Loop thread, or NULL: the bytes of the arrays in the answer, at most, of a request whose
       session is there. Needed where a small request may have a large answer. */
    size_t (*answer_bytes)(const normd_request *request);
    /* The run does not need a session to be there. */
    bool makes_session;
} normd_handler;

/* The handler of a method (handlers/table.c). */
const normd_handler *normd_handler_of(normd_method_id id);

#endif
