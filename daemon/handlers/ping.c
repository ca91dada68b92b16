// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "protocol/writer.h"

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    msgpack_packer packer = normd_request_answer_value(request);
    normd_write_str(&packer, "pong");
    return NORMD_OK;
}

const normd_handler normd_handler_ping = {.parse = normd_parse_nothing, .run = run};
