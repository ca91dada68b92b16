// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/durable/bytes.h"
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

enum { DEFAULT_NAME_BYTES = 32 };

/* A name that sorts by time, as 20250131T120000.123Z. */
static char *name_of_now(void)
{
    char name[DEFAULT_NAME_BYTES];
    struct tm utc;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(name, sizeof name, "%Y%m%dT%H%M%S", &utc);
    snprintf(name + length, sizeof name - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
    return strdup(name);
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    const normd_value *name = &call->field[NORMD_SAVE_NAME];
    if (request->server->durable == NULL) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "expected a daemon that was started with --data-dir, got one in memory only");
    }
    request->arguments.name =
        name->present ? normd_bytes_copy_text(name->as.string.text, name->as.string.length)
                      : name_of_now();
    return request->arguments.name != NULL ? NORMD_OK : normd_error_no_memory(error);
}

/* On the thread of the checkpoint that has just been written. */
static normd_status run(normd_request *request, normd_error *error)
{
    char path[PATH_MAX];
    uint64_t bytes;
    normd_status status = normd_durable_copy(
        request->server->durable, request->arguments.name, path, sizeof path, &bytes, error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 3);
        normd_answer_text(&packer, "name", request->arguments.name);
        normd_answer_text(&packer, "path", path);
        normd_answer_uint(&packer, "bytes", bytes);
    }
    return status;
}

const normd_handler normd_handler_server_save = {.parse = parse, .run = run};
