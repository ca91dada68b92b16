// SPDX-License-Identifier: Apache-2.0
/* A stream of requests or responses through the assembler and the decoders. Everything that a
   decoded call points to is read, and what comes out does not depend on how the stream was cut. */
#include <string.h>

#include "protocol/object.h"
#include "protocol/writer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol/support/stream.h"

/* The first bytes of an input choose how it is read. */
enum { CHOICES = 3 };

typedef struct digest {
    msgpack_zone zone;
    bool responses;
    uint64_t hash;
} digest;

static void digest_bytes(digest *d, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        d->hash = (d->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
}

static void digest_uint(digest *d, uint64_t value)
{
    digest_bytes(d, &value, sizeof value);
}

static void digest_error(digest *d, const normd_error *error)
{
    digest_bytes(d, error->message, strlen(error->message));
    normd_write_buffer buffer = {.failed = false};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &buffer, normd_write_append);
    normd_write_error(&packer, 1, error);
    FUZZ_REQUIRE(!buffer.failed && buffer.bytes.size > 6);
    msgpack_sbuffer_destroy(&buffer.bytes);
}

static void digest_array(digest *d, const normd_array *array)
{
    size_t elements;
    FUZZ_REQUIRE(normd_shape_elements(&array->shape, &elements));
    digest_uint(d, (uint64_t)array->dtype);
    digest_bytes(d, array->shape.dim, array->shape.rank * sizeof *array->shape.dim);
    digest_bytes(d, array->data, normd_array_bytes(array));
}

static void digest_object(digest *d, const msgpack_object *object, normd_message *message)
{
    char shown[NORMD_OBJECT_SHOW_BYTES];
    normd_object_show(object, shown, sizeof shown);
    digest_bytes(d, shown, strlen(shown));
    normd_object_bytes bytes;
    normd_wire_array array;
    if (normd_object_get_bytes(object, message, &bytes)) {
        digest_bytes(d, bytes.data, bytes.size);
    }
    if (normd_wire_array_is(object) &&
        normd_wire_array_decode(object, message, "tree", &array, NULL) == NORMD_OK) {
        digest_array(d, &array.array);
    }
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            digest_object(d, &object->via.array.ptr[i], message);
        }
    } else if (object->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            digest_object(d, &object->via.map.ptr[i].key, message);
            digest_object(d, &object->via.map.ptr[i].val, message);
        }
    }
}

static void digest_value(
    digest *d, normd_kind kind, const normd_value *value, normd_message *message)
{
    switch (kind) {
    case NORMD_KIND_STRING:
        digest_bytes(d, value->as.string.text, value->as.string.length);
        break;
    case NORMD_KIND_BOOL:
        digest_uint(d, value->as.boolean);
        break;
    case NORMD_KIND_UINT:
        digest_uint(d, value->as.uint);
        break;
    case NORMD_KIND_ARRAY:
        digest_array(d, &value->as.array.array);
        break;
    case NORMD_KIND_BYTES:
        digest_bytes(d, value->as.bytes.data, value->as.bytes.size);
        break;
    case NORMD_KIND_TREE:
        digest_object(d, value->as.tree, message);
        break;
    }
}

static void visit_request(normd_message *message, digest *d)
{
    normd_call call;
    normd_error error;
    normd_status status = normd_call_decode(message, &d->zone, &call, &error);
    digest_uint(d, (uint64_t)status);
    digest_uint(d, call.has_id ? call.id : UINT64_MAX);
    if (status != NORMD_OK) {
        digest_error(d, &error);
        return;
    }
    FUZZ_REQUIRE(call.has_id != call.notification);
    const void *body;
    size_t body_size;
    normd_call_body(message, &body, &body_size);
    FUZZ_REQUIRE(body_size > 0 && body_size < message->head_size);
    digest_bytes(d, body, body_size);
    if (call.once.present) {
        FUZZ_REQUIRE(call.method->mutates && call.once.seq >= 1 &&
                     call.once.seq <= NORMD_ONCE_SEQ_MOST && call.once.client_length >= 1 &&
                     call.once.client_length <= NORMD_ONCE_CLIENT_BYTES);
        digest_bytes(d, call.once.client, call.once.client_length);
        digest_uint(d, call.once.seq);
    }
    for (size_t i = 0; i < call.method->field_count; i++) {
        const normd_field *field = &call.method->fields[i];
        FUZZ_REQUIRE(call.field[i].present || !field->required);
        if (call.field[i].present) {
            digest_value(d, field->kind, &call.field[i], message);
        }
    }
}

static void visit_response(normd_message *message, digest *d)
{
    normd_response response;
    normd_error error;
    normd_status status = normd_response_decode(message, &d->zone, &response, &error);
    digest_uint(d, (uint64_t)status);
    digest_uint(d, response.id);
    if (status != NORMD_OK) {
        digest_error(d, &error);
        return;
    }
    digest_object(d, response.error, message);
    digest_object(d, response.result, message);
}

static void visit(normd_message *message, void *context)
{
    digest *d = context;
    if (d->responses) {
        visit_response(message, d);
    } else {
        visit_request(message, d);
    }
}

static uint64_t digest_stream(
    const uint8_t choice[CHOICES], const uint8_t *bytes, size_t size, scan_cuts cuts)
{
    normd_limits limits = NORMD_LIMITS_DEFAULT;
    limits.payload_bytes = 16u + choice[0];
    limits.head_bytes = 64 + ((uint64_t)choice[1] << 4);
    limits.elements = 4096;
    test_memory memory;
    test_memory_init(&memory);
    memory.most = choice[2] % 4 == 0 ? 200 : SIZE_MAX;
    digest d = {.responses = choice[2] % 2 == 1};
    FUZZ_REQUIRE(msgpack_zone_init(&d.zone, 2048));
    normd_assembler *assembler = normd_assembler_create(&limits, &memory.memory);
    FUZZ_REQUIRE(assembler != NULL);
    test_random random = {size};
    normd_assembler_result result = stream_send(assembler, bytes, size, cuts, &random, visit, &d);
    digest_uint(&d, (uint64_t)result);
    normd_assembler_destroy(assembler);
    FUZZ_REQUIRE(memory.taken == memory.released);
    msgpack_zone_destroy(&d.zone);
    return d.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= CHOICES) {
        return 0;
    }
    const uint8_t *bytes = data + CHOICES;
    size -= CHOICES;
    uint64_t whole = digest_stream(data, bytes, size, SCAN_WHOLE);
    FUZZ_REQUIRE(whole == digest_stream(data, bytes, size, SCAN_BYTES));
    FUZZ_REQUIRE(whole == digest_stream(data, bytes, size, SCAN_RANDOM));
    return 0;
}
