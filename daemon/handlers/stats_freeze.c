// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"

/* stats.freeze and stats.thaw. */
static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_status status = normd_take_session(request, &call->field[NORMD_FREEZE_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_layer(request, message, &call->field[NORMD_FREEZE_LAYER], error);
    }
    const normd_value *parameters = &call->field[NORMD_FREEZE_PARAMETERS];
    request->arguments.parameters = normd_value_bool(parameters, true);
    return status;
}

static normd_status set(normd_request *request, bool frozen, normd_error *error)
{
    normd_freezing freezing = {
        .layer = request->arguments.layer,
        .frozen = frozen,
        .parameters = request->arguments.parameters,
    };
    uint64_t version;
    normd_status status = normd_session_freeze(request->entry->session, &freezing, &version, error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 1);
        normd_answer_uint(&packer, "version", version);
    }
    return status;
}

static normd_status freeze(normd_request *request, normd_error *error)
{
    return set(request, true, error);
}

static normd_status thaw(normd_request *request, normd_error *error)
{
    return set(request, false, error);
}

const normd_handler normd_handler_stats_freeze = {.parse = parse, .run = freeze};
const normd_handler normd_handler_stats_thaw = {.parse = parse, .run = thaw};
