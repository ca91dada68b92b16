// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

enum { PROTOCOL_VERSION = 1 };

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    msgpack_packer packer = normd_request_answer(request, 4);
    normd_answer_text(&packer, "server", "normd");
    normd_answer_text(&packer, "version", NORMD_VERSION);
    normd_answer_uint(&packer, "protocol", PROTOCOL_VERSION);
    normd_answer_limits(&packer, &request->server->limits);
    return NORMD_OK;
}

const normd_handler normd_handler_hello = {.parse = normd_parse_nothing, .run = run};
