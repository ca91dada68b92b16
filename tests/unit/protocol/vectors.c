// SPDX-License-Identifier: Apache-2.0
/* Every golden vector, through the assembler and the decoders, in every way of cutting the stream
   and with payloads from the size of the longest key on to none at all. */
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/writer.h"
#include "tests/unit/protocol/support/stream.h"
#include "tests/unit/protocol/support/vectors.h"

/* The vector that is being checked, and how often its message came. */
typedef struct check {
    const test_vector *vector;
    bool words; /* look at an error's words, which do not quote what is in a payload */
    msgpack_zone zone;
    int come;
} check;

static const json_t *expect(const check *c, const char *key)
{
    return json_object_get(c->vector->expect, key);
}

/* Ends the test, naming the vector. */
static void require(const check *c, bool holds, const char *what, const char *detail)
{
    if (!holds) {
        fail_msg("%s: %s (%s)", c->vector->name, what, detail);
    }
}

static bool text_is(const json_t *expected, const char *text)
{
    return json_is_string(expected) && strcmp(json_string_value(expected), text) == 0;
}

static void check_field(const check *c, const normd_field *field, const normd_value *value,
    const json_t *expected, normd_message *message)
{
    bool equal = false;
    switch (field->kind) {
    case NORMD_KIND_STRING:
        equal = json_string_length(expected) == value->as.string.length &&
                memcmp(json_string_value(expected), value->as.string.text,
                    value->as.string.length) == 0;
        break;
    case NORMD_KIND_BOOL:
        equal = json_is_boolean(expected) && json_is_true(expected) == value->as.boolean;
        break;
    case NORMD_KIND_UINT:
        equal =
            json_is_integer(expected) && (uint64_t)json_integer_value(expected) == value->as.uint;
        break;
    case NORMD_KIND_ARRAY:
        equal = test_vector_array_matches(expected, &value->as.array.array);
        break;
    case NORMD_KIND_BYTES:
        equal = test_vector_bytes_match(expected, value->as.bytes.data, value->as.bytes.size);
        break;
    case NORMD_KIND_TREE:
        equal = test_vector_matches(expected, value->as.tree, message);
        break;
    }
    require(c, equal, "the field is not as expected", field->name);
}

static void check_refused(const check *c, const normd_call *call, const normd_error *error)
{
    const json_t *id = expect(c, "id");
    require(c, json_is_null(id) ? !call->has_id : call->has_id, "id", error->message);
    require(
        c, json_is_null(id) || (uint32_t)json_integer_value(id) == call->id, "id", error->message);
    require(c, text_is(expect(c, "error"), normd_status_name(error->status)), "status",
        normd_status_name(error->status));
    size_t i;
    json_t *mention;
    json_array_foreach((json_t *)(uintptr_t)expect(c, "mentions"), i, mention)
    {
        bool found = !c->words || strstr(error->message, json_string_value(mention)) != NULL;
        require(c, found, json_string_value(mention), error->message);
    }
}

static void check_once(const check *c, const normd_once *once)
{
    const json_t *expected = expect(c, "once");
    require(c, once->present == (expected != NULL), "once", "present");
    if (expected != NULL) {
        const json_t *client = json_object_get(expected, "client");
        require(c,
            json_string_length(client) == once->client_length &&
                memcmp(json_string_value(client), once->client, once->client_length) == 0,
            "once", "client");
        require(c, (uint64_t)json_integer_value(json_object_get(expected, "seq")) == once->seq,
            "once", "seq");
    }
}

static void check_call(const check *c, const normd_call *call, normd_message *message)
{
    const json_t *fields = expect(c, "fields");
    bool id = call->notification || (uint32_t)json_integer_value(expect(c, "id")) == call->id;
    require(c, id && call->has_id == !call->notification, "id", "");
    require(c, text_is(expect(c, "method"), call->method->name), "method", call->method->name);
    const char *keys = call->keys == NORMD_KEYS_BIN ? "bin" : "str";
    require(c, text_is(expect(c, "keys"), keys), "keys", keys);
    size_t present = 0;
    for (size_t i = 0; i < call->method->field_count; i++) {
        const normd_field *field = &call->method->fields[i];
        const json_t *expected = json_object_get(fields, field->name);
        require(c, call->field[i].present == (expected != NULL), "present", field->name);
        if (expected != NULL) {
            check_field(c, field, &call->field[i], expected, message);
            present++;
        }
    }
    require(c, present == json_object_size(fields), "fields", "");
    check_once(c, &call->once);
}

static void visit_request(normd_message *message, void *context)
{
    check *c = context;
    normd_call call;
    normd_error error;
    normd_status status = normd_call_decode(message, &c->zone, &call, &error);
    c->come++;
    require(c, call.notification == json_is_true(expect(c, "notification")), "notification", "");
    if (expect(c, "error") != NULL) {
        require(c, status != NORMD_OK, "was not refused", "");
        check_refused(c, &call, &error);
    } else {
        require(c, status == NORMD_OK, "was refused", error.message);
        check_call(c, &call, message);
    }
}

static void visit_response(normd_message *message, void *context)
{
    check *c = context;
    normd_response response;
    normd_error error;
    normd_status status = normd_response_decode(message, &c->zone, &response, &error);
    c->come++;
    require(c, status == NORMD_OK, "was refused", error.message);
    require(c, (uint32_t)json_integer_value(expect(c, "id")) == response.id, "id", "");
    require(c, test_vector_matches(expect(c, "error"), response.error, message), "error", "");
    require(c, test_vector_matches(expect(c, "result"), response.result, message), "result", "");
    require(c, response.failed == !json_is_null(expect(c, "error")), "failed", "");
}

static void visit_nothing(normd_message *message, void *context)
{
    (void)message;
    ((check *)context)->come++;
}

static void check_vector(const test_vector *vector, uint32_t payload_bytes, scan_cuts cuts)
{
    bool is_request = strcmp(vector->direction, "request") == 0;
    bool is_stream = strcmp(vector->direction, "stream") == 0;
    check c = {.vector = vector, .words = payload_bytes == UINT32_MAX};
    normd_limits limits = vector->limits;
    if (!vector->has_limits) {
        /* An error's text is never a payload: it is short. */
        bool is_response = !is_request && !is_stream;
        limits.payload_bytes = is_response && payload_bytes < 64 ? 64 : payload_bytes;
        limits.elements = 1 << 16;
    }
    test_memory memory;
    test_memory_init(&memory);
    test_random random = {vector->size};
    normd_assembler *assembler = normd_assembler_create(&limits, &memory.memory);
    msgpack_zone_init(&c.zone, 1024);
    normd_assembler_result result =
        stream_send(assembler, vector->bytes, vector->size, cuts, &random,
            is_stream    ? visit_nothing
            : is_request ? visit_request
                         : visit_response,
            &c);
    bool bad = is_stream && text_is(expect(&c, "frame"), "bad");
    require(&c, result == (bad ? NORMD_ASSEMBLER_BAD : NORMD_ASSEMBLER_MORE), "result", "");
    require(&c, c.come == (is_stream ? 0 : 1), "messages", "");
    require(&c, bad || normd_assembler_inside_message(assembler) == (is_stream && vector->size > 0),
        "inside a message", "");
    normd_assembler_destroy(assembler);
    msgpack_zone_destroy(&c.zone);
    require(&c, memory.taken == memory.released, "payload memory", "");
}

static void every_vector_is_read_as_expected(void **state)
{
    (void)state;
    static const uint32_t payload_bytes[] = {16, 24, 100, UINT32_MAX};
    size_t count;
    test_vector *vectors = test_vectors_read(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof payload_bytes / sizeof *payload_bytes; k++) {
            for (int cuts = 0; cuts < SCAN_CUTS; cuts++) {
                check_vector(&vectors[i], payload_bytes[k], (scan_cuts)cuts);
            }
        }
    }
    test_vectors_free(vectors, count);
}

/* What the writer makes of a vector's values is what msgpack and msgpack_numpy made. */
static void the_writer_makes_the_same_bytes(void **state)
{
    (void)state;
    size_t count;
    size_t written = 0;
    test_vector *vectors = test_vectors_read(&count);
    for (size_t i = 0; i < count; i++) {
        check c = {.vector = &vectors[i]};
        if (!json_is_true(expect(&c, "canonical"))) {
            continue;
        }
        normd_write_buffer buffer = {.failed = false};
        msgpack_packer packer;
        msgpack_packer_init(&packer, &buffer, normd_write_append);
        uint32_t id = (uint32_t)json_integer_value(expect(&c, "id"));
        if (json_is_null(expect(&c, "error"))) {
            normd_write_result(&packer, id);
            test_vector_pack(&packer, expect(&c, "result"),
                text_is(expect(&c, "keys"), "bin") ? NORMD_KEYS_BIN : NORMD_KEYS_STR);
        } else {
            normd_error error;
            const char *text = json_string_value(expect(&c, "error"));
            size_t word = strcspn(text, " ");
            int status = normd_status_parse(text, word);
            normd_error_set(&error, (normd_status)status, "%s", text + word + 1);
            normd_write_error(&packer, id, &error);
        }
        require(&c, !buffer.failed && buffer.bytes.size == vectors[i].size, "size", "");
        require(&c, memcmp(buffer.bytes.data, vectors[i].bytes, vectors[i].size) == 0, "bytes", "");
        msgpack_sbuffer_destroy(&buffer.bytes);
        written++;
    }
    assert_true(written > 40);
    test_vectors_free(vectors, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_is_read_as_expected),
        cmocka_unit_test(the_writer_makes_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
