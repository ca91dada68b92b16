// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "lib/options/options.h"

static normd_status read_weights(const normd_value *value, bool *average, normd_error *error)
{
    *average = value->present && normd_value_is(value, "average");
    if (!value->present || *average || normd_value_is(value, "current")) {
        return NORMD_OK;
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "weights: expected \"current\" or \"average\", got %s",
        normd_options_show_string(value->as.string.text, value->as.string.length, got, sizeof got));
}

static normd_status read_if_exists(const normd_value *value, bool *replace, normd_error *error)
{
    *replace = value->present && normd_value_is(value, "replace");
    if (!value->present || *replace || normd_value_is(value, "error")) {
        return NORMD_OK;
    }
    char got[NORMD_OPTIONS_SHOW_BYTES];
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "if_exists: expected \"error\" or \"replace\", got %s",
        normd_options_show_string(value->as.string.text, value->as.string.length, got, sizeof got));
}

/* What is copied is the state at this moment: training goes on meanwhile. */
static normd_status take_source(
    normd_request *request, const normd_value *value, normd_error *error)
{
    normd_status status = normd_take_session(request, value, error);
    if (status != NORMD_OK) {
        return status;
    }
    normd_session_entry *entry = request->entry;
    if (entry->session == NULL) {
        status = normd_error_set(error, NORMD_NO_SUCH_SESSION,
            "session: expected the name of a session, got \"%s\", which is not made yet",
            entry->name);
    } else {
        request->snapshot = normd_session_map_snapshot(entry);
    }
    request->entry = NULL;
    normd_session_map_release(&request->server->sessions, entry);
    return status;
}

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    bool replace;
    normd_status status =
        read_weights(&call->field[NORMD_COPY_WEIGHTS], &arguments->average, error);
    if (status == NORMD_OK) {
        status = read_if_exists(&call->field[NORMD_COPY_IF_EXISTS], &replace, error);
    }
    if (status != NORMD_OK) {
        return status;
    }
    const normd_value *from = &call->field[NORMD_COPY_SESSION];
    const normd_value *to = &call->field[NORMD_COPY_TO];
    if (from->as.string.length == to->as.string.length &&
        memcmp(from->as.string.text, to->as.string.text, to->as.string.length) == 0) {
        return normd_error_set(error, NORMD_BAD_ARGUMENT,
            "to: expected another name than that of session, got \"%.*s\"",
            (int)to->as.string.length, to->as.string.text);
    }
    arguments->if_exists = replace ? NORMD_IF_EXISTS_REPLACE : NORMD_IF_EXISTS_ERROR;
    status = take_source(request, from, error);
    if (status == NORMD_OK) {
        status = normd_claim_session(request, to, error);
    }
    return status;
}

static normd_status run(normd_request *request, normd_error *error)
{
    const normd_arguments *arguments = &request->arguments;
    const normd_session_entry *entry = request->entry;
    bool there = entry->session != NULL;
    if (there && arguments->if_exists == NORMD_IF_EXISTS_ERROR) {
        return normd_error_set(error, NORMD_SESSION_EXISTS,
            "to: expected a new name, got \"%s\", which is there already", entry->name);
    }
    normd_status status = normd_session_copy(
        &request->server->engine, request->snapshot, arguments->average, &request->made, error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 2);
    normd_answer_bool(&packer, "created", !there);
    normd_answer_uint(&packer, "version", normd_snapshot_version(request->snapshot));
    return NORMD_OK;
}

const normd_handler normd_handler_session_copy = {
    .parse = parse, .run = run, .finish = normd_put_made_session, .makes_session = true};
