// SPDX-License-Identifier: Apache-2.0
#include "daemon/handlers/answer.h"

#include <assert.h>

#include "protocol/writer.h"

void normd_answer_uint(msgpack_packer *packer, const char *key, uint64_t value)
{
    normd_write_str(packer, key);
    msgpack_pack_uint64(packer, value);
}

void normd_answer_text(msgpack_packer *packer, const char *key, const char *value)
{
    normd_write_str(packer, key);
    normd_write_str(packer, value);
}

void normd_answer_bool(msgpack_packer *packer, const char *key, bool value)
{
    normd_write_str(packer, key);
    if (value) {
        msgpack_pack_true(packer);
    } else {
        msgpack_pack_false(packer);
    }
}

void normd_answer_double(msgpack_packer *packer, const char *key, double value)
{
    normd_write_str(packer, key);
    msgpack_pack_double(packer, value);
}

static void put_payload(normd_request *request, normd_buffer *buffer, size_t bytes)
{
    request->payload = buffer;
    request->payload_bytes = bytes;
}

void normd_answer_last_array(
    normd_request *request, msgpack_packer *packer, const char *key, normd_tensor *tensor)
{
    normd_write_str(packer, key);
    normd_write_array_header(packer, &tensor->array, request->keys);
    put_payload(request, tensor->buffer, normd_array_bytes(&tensor->array));
}

void normd_answer_last_bytes(
    normd_request *request, msgpack_packer *packer, const char *key, normd_buffer *file)
{
    assert(file->size <= UINT32_MAX); /* the engine's limit for answers is less */
    normd_write_str(packer, key);
    msgpack_pack_bin(packer, (uint32_t)file->size);
    put_payload(request, file, file->size);
}

void normd_answer_train_result(normd_request *request, const normd_train_result *result)
{
    uint32_t fields = 3U + result->has_accuracy + (result->metrics > 0) + result->has_lr;
    msgpack_packer packer = normd_request_answer(request, fields);
    normd_answer_double(&packer, "loss", result->loss);
    if (result->has_accuracy) {
        normd_answer_double(&packer, "accuracy", result->accuracy);
    }
    if (result->metrics > 0) {
        normd_write_str(&packer, "metrics");
        msgpack_pack_map(&packer, result->metrics);
        for (size_t i = 0; i < result->metrics; i++) {
            normd_answer_double(&packer, result->metric[i].name, result->metric[i].value);
        }
    }
    if (result->has_lr) {
        normd_answer_double(&packer, "lr", result->lr);
    }
    normd_answer_uint(&packer, "steps", result->steps);
    normd_answer_uint(&packer, "version", result->version);
}

void normd_answer_limits(msgpack_packer *packer, const normd_limits *limits)
{
    normd_write_str(packer, "limits");
    msgpack_pack_map(packer, 5);
    normd_answer_uint(packer, "message_bytes", limits->message_bytes);
    normd_answer_uint(packer, "head_bytes", limits->head_bytes);
    normd_answer_uint(packer, "elements", limits->elements);
    normd_answer_uint(packer, "depth", limits->depth);
    normd_answer_uint(packer, "payload_bytes", limits->payload_bytes);
}
