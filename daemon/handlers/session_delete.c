// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

/* The name is free from here on; what came before is still done, in the queue of the entry. */
static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_status status = normd_take_session(request, &call->field[NORMD_DELETE_SESSION], error);
    if (status == NORMD_OK) {
        normd_session_map_unlist(&request->server->sessions, request->entry);
    }
    return status;
}

/* Nobody else can reach the entry any more: this is its last request. */
static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    normd_session_destroy(request->entry->session);
    request->entry->session = NULL;
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_answer_bool(&packer, "deleted", true);
    return NORMD_OK;
}

const normd_handler normd_handler_session_delete = {.parse = parse, .run = run};
