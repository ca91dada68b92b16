// SPDX-License-Identifier: Apache-2.0
/* The vectors check what calls decode to; here is what a vector cannot say: where things lie, and
   what becomes of a message that was read past. */
#include "tests/unit/cmocka_headers.h"

#include <string.h>

#include "protocol/writer.h"
#include "tests/unit/protocol/support/stream.h"

typedef struct fixture {
    normd_limits limits;
    test_memory memory;
    normd_assembler *assembler;
    msgpack_zone zone;
    msgpack_sbuffer sent;
    msgpack_packer packer;
    normd_call call;
    normd_error error;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->limits = NORMD_LIMITS_DEFAULT;
    test_memory_init(&f->memory);
    f->assembler = normd_assembler_create(&f->limits, &f->memory.memory);
    msgpack_zone_init(&f->zone, 1024);
    msgpack_sbuffer_init(&f->sent);
    msgpack_packer_init(&f->packer, &f->sent, msgpack_sbuffer_write);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    normd_assembler_destroy(f->assembler);
    msgpack_zone_destroy(&f->zone);
    msgpack_sbuffer_destroy(&f->sent);
    free(f);
    return 0;
}

static void decode_visit(normd_message *message, void *context)
{
    fixture *f = context;
    f->error.status = normd_call_decode(message, &f->zone, &f->call, &f->error);
}

/* Sends what was packed; the call points into the assembler's message until the next. */
static normd_status decode(fixture *f)
{
    normd_message *message;
    size_t at = 0;
    normd_assembler_result result = NORMD_ASSEMBLER_MORE;
    while (at < f->sent.size && result == NORMD_ASSEMBLER_MORE) {
        at += stream_read(f->assembler, f->sent.data + at, f->sent.size - at);
        result = normd_assembler_next(f->assembler, &message);
    }
    assert_int_equal(result, NORMD_ASSEMBLER_MESSAGE);
    decode_visit(message, f);
    msgpack_sbuffer_clear(&f->sent);
    return f->error.status;
}

static void pack_infer(fixture *f, const normd_array *x)
{
    normd_write_request(&f->packer, 5, "infer", 2);
    normd_write_str(&f->packer, "session");
    normd_write_str(&f->packer, "m");
    normd_write_str(&f->packer, "x");
    normd_write_array(&f->packer, x, NORMD_KEYS_BIN);
}

static void a_large_array_is_a_payload_and_a_small_one_is_not(void **state)
{
    fixture *f = *state;
    enum { LARGE = 5000 };
    float *values = calloc(LARGE, sizeof *values);
    values[LARGE - 1] = 7;
    normd_array x = {.dtype = NORMD_F32, .shape = {.rank = 1, .dim = {LARGE}}, .data = values};
    pack_infer(f, &x);
    assert_int_equal(decode(f), NORMD_OK);
    const normd_wire_array *array = &f->call.field[NORMD_INFER_X].as.array;
    assert_non_null(array->payload);
    assert_ptr_equal(array->array.data, array->payload->data);
    assert_memory_equal(array->array.data, values, LARGE * sizeof *values);
    x.shape.dim[0] = 3;
    pack_infer(f, &x);
    assert_int_equal(decode(f), NORMD_OK);
    assert_null(array->payload);
    assert_int_equal(normd_array_bytes(&array->array), 12);
    free(values);
}

/* A text as long as a payload where a short one is expected. */
static void a_long_text_is_taken_or_refused_like_a_short_one(void **state)
{
    fixture *f = *state;
    enum { LENGTH = 20000 };
    char *text = malloc(LENGTH + 1);
    memset(text, 'm', LENGTH);
    text[LENGTH] = '\0';
    normd_write_request(&f->packer, 5, "step", 1);
    normd_write_str(&f->packer, "session");
    normd_write_str(&f->packer, text);
    assert_int_equal(decode(f), NORMD_OK);
    assert_int_equal(f->call.field[NORMD_STEP_SESSION].as.string.length, LENGTH);
    normd_write_request(&f->packer, 5, text, 0);
    assert_int_equal(decode(f), NORMD_NO_SUCH_METHOD);
    assert_string_equal(
        f->error.message, "method: expected one of the protocol's methods, got a long string");
    normd_write_request(&f->packer, 5, "step", 1);
    normd_write_str(&f->packer, text);
    normd_write_str(&f->packer, "m");
    assert_int_equal(decode(f), NORMD_BAD_ARGUMENT);
    assert_string_equal(f->error.message,
        "params: expected only the fields session, client, seq, got the field a long string");
    normd_write_request(&f->packer, 5, "backward", 1);
    normd_write_str(&f->packer, "step");
    normd_write_bin(&f->packer, text, LENGTH);
    assert_int_equal(decode(f), NORMD_BAD_ARGUMENT);
    assert_string_equal(
        f->error.message, "step: expected a non-negative integer, got a long run of bytes");
    free(text);
}

static void a_message_over_a_limit_is_answered_by_its_id(void **state)
{
    fixture *f = *state;
    f->limits.elements = 10;
    normd_write_request(&f->packer, 70000, "session.create", 1);
    normd_write_str(&f->packer, "layers");
    msgpack_pack_array(&f->packer, 2000);
    for (int i = 0; i < 2000; i++) {
        msgpack_pack_nil(&f->packer);
    }
    assert_int_equal(decode(f), NORMD_TOO_LARGE);
    assert_true(f->call.has_id);
    assert_int_equal(f->call.id, 70000);
    assert_string_equal(f->error.message,
        "message: expected at most 10 values in all (elements), got more (2033 bytes in all)");
}

static void a_message_without_memory_is_busy(void **state)
{
    fixture *f = *state;
    f->memory.most = 1000;
    char *data = calloc(1, 100000);
    normd_array x = {.dtype = NORMD_U8, .shape = {.rank = 1, .dim = {100000}}, .data = data};
    pack_infer(f, &x);
    assert_int_equal(decode(f), NORMD_BUSY);
    assert_true(f->call.has_id);
    assert_int_equal(f->call.id, 5);
    assert_non_null(strstr(f->error.message, "try again"));
    free(data);
}

/* What is no request is not answered even when it is over a limit. */
static void a_large_message_that_is_no_request_has_no_id(void **state)
{
    fixture *f = *state;
    f->limits.elements = 10;
    msgpack_pack_array(&f->packer, 20);
    for (int i = 0; i < 20; i++) {
        msgpack_pack_true(&f->packer);
    }
    assert_int_equal(decode(f), NORMD_BAD_REQUEST);
    assert_false(f->call.has_id);
    assert_false(f->call.notification);
}

/* JSON, and so the vectors, end at 2^63 - 1. */
static void the_largest_integer_is_taken(void **state)
{
    fixture *f = *state;
    normd_write_request(&f->packer, 1, "session.create", 3);
    normd_write_str(&f->packer, "session");
    normd_write_str(&f->packer, "m");
    normd_write_str(&f->packer, "layers");
    msgpack_pack_array(&f->packer, 0);
    normd_write_str(&f->packer, "seed");
    msgpack_pack_uint64(&f->packer, UINT64_MAX);
    assert_int_equal(decode(f), NORMD_OK);
    assert_true(f->call.field[NORMD_CREATE_SEED].as.uint == UINT64_MAX);
}

static void pack_once(fixture *f, uint32_t id, const char *client, uint64_t seq)
{
    normd_write_request(&f->packer, id, "step", 3);
    normd_write_str(&f->packer, "session");
    normd_write_str(&f->packer, "m");
    normd_write_str(&f->packer, "seq");
    msgpack_pack_uint64(&f->packer, seq);
    normd_write_str(&f->packer, "client");
    normd_write_str(&f->packer, client);
}

static void client_and_seq_are_no_fields_of_the_list(void **state)
{
    fixture *f = *state;
    pack_once(f, 5, "trainer", 12);
    assert_int_equal(decode(f), NORMD_OK);
    assert_true(f->call.once.present);
    assert_int_equal(f->call.once.client_length, 7);
    assert_memory_equal(f->call.once.client, "trainer", 7);
    assert_int_equal(f->call.once.seq, 12);
    normd_write_request(&f->packer, 5, "step", 1);
    normd_write_str(&f->packer, "session");
    normd_write_str(&f->packer, "m");
    assert_int_equal(decode(f), NORMD_OK);
    assert_false(f->call.once.present);
}

/* The body of what `f` has packed last, to be freed. */
static void *body_of(fixture *f, size_t *size)
{
    const normd_message message = {
        .head = (const uint8_t *)f->sent.data, .head_size = f->sent.size};
    const void *body;
    normd_call_body(&message, &body, size);
    void *copy = malloc(*size + 1);
    memcpy(copy, body, *size);
    msgpack_sbuffer_clear(&f->sent);
    return copy;
}

static void a_retry_with_another_id_has_the_same_body(void **state)
{
    fixture *f = *state;
    static const uint32_t ids[] = {0, 127, 128, 65536, UINT32_MAX};
    size_t first_size;
    pack_once(f, 1, "trainer", 12);
    void *first = body_of(f, &first_size);
    assert_memory_equal(first, "\xa4step\x83", 6);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        size_t size;
        pack_once(f, ids[i], "trainer", 12);
        void *body = body_of(f, &size);
        assert_int_equal(size, first_size);
        assert_memory_equal(body, first, size);
        free(body);
    }
    size_t size;
    pack_once(f, 1, "trainer", 13);
    void *other = body_of(f, &size);
    assert_true(size != first_size || memcmp(other, first, size) != 0);
    free(other);
    free(first);
}

static void what_is_no_call_has_no_body(void **state)
{
    fixture *f = *state;
    size_t size;
    normd_write_str(&f->packer, "a text");
    free(body_of(f, &size));
    assert_int_equal(size, 0);
}

static void the_zone_may_be_used_again_and_again(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        normd_write_request(&f->packer, (uint32_t)i, "session.create", 2);
        normd_write_str(&f->packer, "session");
        normd_write_str(&f->packer, "m");
        normd_write_str(&f->packer, "layers");
        msgpack_pack_array(&f->packer, 100);
        for (int k = 0; k < 100; k++) {
            msgpack_pack_int(&f->packer, k);
        }
        assert_int_equal(decode(f), NORMD_OK);
        const msgpack_object *layers = f->call.field[NORMD_CREATE_LAYERS].as.tree;
        assert_int_equal(layers->via.array.ptr[99].via.u64, 99);
    }
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(a_large_array_is_a_payload_and_a_small_one_is_not),
        with_fixture(a_long_text_is_taken_or_refused_like_a_short_one),
        with_fixture(a_message_over_a_limit_is_answered_by_its_id),
        with_fixture(a_message_without_memory_is_busy),
        with_fixture(a_large_message_that_is_no_request_has_no_id),
        with_fixture(the_largest_integer_is_taken),
        with_fixture(client_and_seq_are_no_fields_of_the_list),
        with_fixture(a_retry_with_another_id_has_the_same_body),
        with_fixture(what_is_no_call_has_no_body),
        with_fixture(the_zone_may_be_used_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
