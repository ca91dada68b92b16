// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    return normd_take_session(request, &call->field[NORMD_DELETE_SESSION], error);
}

/* Until this is committed the session serves on. */
static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    msgpack_packer packer = normd_request_answer(request, 1);
    normd_answer_bool(&packer, "deleted", true);
    return NORMD_OK;
}

/* What came behind it finds no session, or makes another. */
static void finish(normd_request *request)
{
    normd_session_map_put(&request->server->sessions, request->entry, NULL, NULL);
}

const normd_handler normd_handler_session_delete = {.parse = parse, .run = run, .finish = finish};
