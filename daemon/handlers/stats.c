// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "daemon/handlers/answer.h"
#include "daemon/handlers/arguments.h"
#include "daemon/handlers/table.h"
#include "daemon/server.h"
#include "protocol/writer.h"

static normd_status parse(
    normd_request *request, normd_message *message, const normd_call *call, normd_error *error)
{
    normd_status status = normd_take_session(request, &call->field[NORMD_STATS_SESSION], error);
    if (status == NORMD_OK) {
        status = normd_take_convention(request, &call->field[NORMD_STATS_CONVENTION], error);
    }
    if (status == NORMD_OK) {
        status = normd_take_layer(request, message, &call->field[NORMD_STATS_LAYER], error);
    }
    return status;
}

static bool is_asked(const normd_arguments *arguments, const normd_layer_stats *stats)
{
    return arguments->layer == NULL || strcmp(arguments->layer, stats->name) == 0;
}

/* Reads the i-th layer's statistics; false when the request does not ask for them. */
static bool read_layer(const normd_request *request, size_t index, normd_layer_stats *stats)
{
    const normd_arguments *arguments = &request->arguments;
    normd_convention convention = arguments->has_convention
                                      ? arguments->convention
                                      : normd_snapshot_convention(request->snapshot);
    normd_snapshot_stats(request->snapshot, index, convention, stats);
    return is_asked(arguments, stats);
}

static void write_layer(msgpack_packer *packer, const normd_layer_stats *stats, normd_keys keys)
{
    msgpack_pack_map(packer, 3 + stats->arrays);
    normd_answer_text(packer, "name", stats->name);
    normd_answer_text(packer, "type", stats->type);
    normd_write_str(packer, "num_batches_tracked");
    msgpack_pack_int64(packer, stats->num_batches_tracked);
    for (uint32_t i = 0; i < stats->arrays; i++) {
        normd_write_str(packer, stats->array_name[i]);
        normd_write_array(packer, &stats->array[i], keys);
    }
}

static normd_status no_such_layer(const normd_request *request, normd_error *error)
{
    return normd_error_set(error, NORMD_BAD_ARGUMENT,
        "layer: expected the index of a batch_norm layer, got \"%.40s\"", request->arguments.layer);
}

static size_t bytes_of(const normd_layer_stats *stats)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < stats->arrays; i++) {
        bytes += normd_array_bytes(&stats->array[i]);
    }
    return bytes;
}

static normd_status run(normd_request *request, normd_error *error)
{
    normd_layer_stats stats;
    size_t count = normd_snapshot_stats_count(request->snapshot);
    size_t asked = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (read_layer(request, i, &stats)) {
            asked++;
            bytes += bytes_of(&stats);
        }
    }
    if (asked == 0 && request->arguments.layer != NULL) {
        return no_such_layer(request, error);
    }
    normd_status status = normd_limit_check(request->server->engine.limits.answer_bytes, bytes,
        "layer: expected layers whose statistics are", "; ask for one layer", error);
    if (status != NORMD_OK) {
        return status;
    }
    msgpack_packer packer = normd_request_answer(request, 2);
    normd_answer_uint(&packer, "version", normd_snapshot_version(request->snapshot));
    normd_write_str(&packer, "layers");
    msgpack_pack_array(&packer, asked);
    for (size_t i = 0; i < count; i++) {
        if (read_layer(request, i, &stats)) {
            write_layer(&packer, &stats, request->keys);
        }
    }
    return NORMD_OK;
}

static size_t answer_bytes(const normd_request *request)
{
    return normd_session_state_bytes(request->entry->session);
}

const normd_handler normd_handler_stats = {
    .parse = parse, .run = run, .answer_bytes = answer_bytes};
