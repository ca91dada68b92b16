// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/measures.h"

#include <stdio.h>

#include "daemon/handlers/answer.h"
#include "daemon/server.h"
#include "protocol/writer.h"

static void write_measure(msgpack_packer *packer, const normd_measure *measure, normd_keys keys)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", measure->layer);
    msgpack_pack_map(packer, 3 + NORMD_MEASURE_ARRAYS);
    normd_answer_text(packer, "name", name);
    normd_answer_text(packer, "type", "batch_norm");
    normd_answer_uint(packer, "count", (uint64_t)measure->count);
    for (size_t i = 0; i < NORMD_MEASURE_ARRAYS; i++) {
        normd_write_str(packer, measure->array_name[i]);
        normd_write_array(packer, &measure->array[i], keys);
    }
}

static size_t bytes_of(const normd_measures *measures)
{
    size_t bytes = 0;
    for (size_t i = 0; i < measures->count; i++) {
        for (size_t a = 0; a < NORMD_MEASURE_ARRAYS; a++) {
            bytes += normd_array_bytes(&measures->measure[i].array[a]);
        }
    }
    return bytes;
}

normd_status normd_answer_measures(
    normd_request *request, normd_measures *measures, normd_error *error)
{
    normd_status status =
        normd_limit_check(request->server->engine.limits.answer_bytes, bytes_of(measures),
            "layer: expected layers whose statistics are", "; ask for one layer", error);
    if (status == NORMD_OK) {
        msgpack_packer packer = normd_request_answer(request, 2);
        normd_answer_uint(&packer, "version", measures->version);
        normd_write_str(&packer, "layers");
        msgpack_pack_array(&packer, measures->count);
        for (size_t i = 0; i < measures->count; i++) {
            write_measure(&packer, &measures->measure[i], request->keys);
        }
    }
    normd_measures_release(measures);
    return status;
}
