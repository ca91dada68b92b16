// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    (void)message;
    normd_arguments *arguments = &request->arguments;
    normd_status status = normd_take_session(request, &call->field[NORMD_FORWARD_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_array(request, &call->field[NORMD_FORWARD_X], &arguments->x, error);
    }
    if (status == NORMD_OK) {
        status =
            normd_take_array(request, &call->field[NORMD_FORWARD_MASK], &arguments->mask, error);
    }
    arguments->update_stats = normd_value_bool(&call->field[NORMD_FORWARD_UPDATE_STATS], true);
    return status;
}

static void answer(normd_request *request, const normd_forward_result *result, normd_tensor *y)
{
    msgpack_packer packer = normd_request_answer(request, 3);
    normd_answer_uint(&packer, "step", result->step);
    normd_answer_uint(&packer, "version", result->version);
    normd_answer_last_array(request, &packer, "y", y);
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_arguments *arguments = &request->arguments;
    normd_forward_options options = {
        .mask = arguments->mask.buffer != NULL ? &arguments->mask.array : NULL,
        .update_stats = arguments->update_stats,
        .repeatable = request->mutation.repeatable,
        .now_milliseconds = normd_now_milliseconds(),
    };
    normd_tensor y = {.buffer = NULL};
    normd_forward_result result;
    normd_status status =
        normd_session_forward(request->entry->session, &arguments->x, &options, &y, &result, error);
    if (status != NORMD_OK) {
        return status;
    }
    request->mutation.step = result.step;
    request->mutation.version = result.version;
    answer(request, &result, &y);
    return NORMD_OK;
}

/* From what the step kept, with the numbers of the first time. */
static normd_status again(
    normd_request *request, const normd_ledger_answer *known, normd_error *error)
{
    normd_tensor y = {.buffer = NULL};
    normd_forward_result result = {.step = known->step, .version = normd_once_version(request)};
    normd_status status =
        normd_session_forward_again(request->entry->session, known->step, &y, error);
    if (status == NORMD_OK) {
        answer(request, &result, &y);
    }
    return status;
}

/* There may be a kept step now, the first of all. */
static void finish(normd_request *request)
{
    normd_expiry_start(&request->server->expiry);
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_output_bytes(request->entry->session, &request->arguments.x.array.shape);
}

const normd_handler normd_handler_forward = {
    .parse = parse, .run = run, .again = again, .finish = finish, .answer_bytes = answer_bytes};
