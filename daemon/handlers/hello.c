// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/connection.h"
#include "daemon/durable/bytes.h"
#include "daemon/handlers/answer.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "lib/options/options.h"

enum { PROTOCOL_VERSION = 1 };

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    const normd_value *client = &call->field[NORMD_HELLO_CLIENT];
    if (client->present) {
        char shown[NORMD_OPTIONS_SHOW_BYTES];
        normd_options_show_string(
            client->as.string.text, client->as.string.length, shown, sizeof shown);
        normd_log_write(&request->server->log, NORMD_LOG_DEBUG, "%s is the client %s",
            request->connection->transport->peer, shown);
        request->arguments.name =
            normd_bytes_copy_text(client->as.string.text, client->as.string.length);
        return request->arguments.name != NULL ? NORMD_OK : normd_error_no_memory(error);
    }
    return NORMD_OK;
}

static normd_status run(normd_request *request, normd_error *error)
{
    (void)error;
    const char *client = request->arguments.name;
    msgpack_packer packer = normd_request_answer(request, client != NULL ? 5 : 4);
    normd_answer_text(&packer, "server", "normd");
    normd_answer_text(&packer, "version", NORMD_VERSION);
    normd_answer_uint(&packer, "protocol", PROTOCOL_VERSION);
    if (client != NULL) {
        normd_answer_uint(
            &packer, "seq", normd_ledger_last(request->server->ledger, client, strlen(client)));
    }
    normd_answer_limits(&packer, &request->server->limits);
    return NORMD_OK;
}

const normd_handler normd_handler_hello = {.parse = parse, .run = run};
